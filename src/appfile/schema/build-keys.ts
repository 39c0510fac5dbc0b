import { z } from 'zod'
import { BUILD_PLATFORM } from '../../model/descriptor.ts'
import {
  command,
  contextName,
  cpu,
  flag,
  memory,
  relativePath,
  scalar,
  text,
  variableName,
  whole,
  word,
} from './values.ts'

/** `source:` where the code comes from. Default: the repository one stands in. */
export const sourceSchema = z
  .strictObject({
    git: word('a URL or path of a git repository').optional().describe('URL or path of a git repository'),
    svn: word('a URL of a Subversion repository').optional().describe('URL of a Subversion repository'),
    ref: z
      .union([word('a branch, tag or commit'), whole(1, Number.MAX_SAFE_INTEGER, 'a revision')], {
        error: 'a branch, tag or commit',
      })
      .optional()
      .describe('Branch, tag or commit; default: the default branch'),
    folder: relativePath.optional().describe('Folder of the repository that holds the app'),
    submodules: flag.optional().describe('Whether submodules are fetched; default false'),
  })
  .describe('Where the code comes from')

/** `build:` how it becomes an image. */
export const buildSchema = z
  .strictObject({
    context: relativePath.optional().describe('Any folder of the repository; default .'),
    dockerfile: relativePath.optional().describe('Default Dockerfile'),
    target: word('the name of a stage').optional().describe('Stage of the Dockerfile; default the last'),
    args: z.record(variableName, scalar).optional().describe('Values for ARG'),
    secrets: z.array(variableName).optional().describe('Secrets that the build may read'),
    contexts: z
      .record(contextName, word('a folder, docker-image://NAME or a git URL'))
      .optional()
      .describe('Names for FROM and --from → folder, docker-image://NAME or git URL'),
    run: command.optional().describe('On the host, in the clean tree, before the image'),
    runEnv: z.array(variableName).optional().describe('Variables of the caller that `run` may see'),
    artifact: relativePath.optional().describe('What the engine tomcat ships'),
    compression: z
      .enum(['gzip', 'zstd'], { error: 'gzip or zstd' })
      .optional()
      .describe('Of layers; default gzip. zstd: for Docker 23, containerd 1.5 and newer'),
    unpack: z
      .record(relativePath, relativePath)
      .optional()
      .describe('Jars and WARs (target/*.war) → new folders that they are unpacked to, after `run`, for COPY'),
    runLimits: z
      .strictObject({
        memory: memory.optional(),
        cpu: cpu.optional(),
        timeoutSeconds: whole(1, 86_400, 'seconds up to a day').optional().describe('Default 3600'),
      })
      .optional()
      .describe('What one RUN of the Dockerfile may take'),
    ca: z
      .union([z.literal('system'), relativePath], { error: 'system, or a file of the repository' })
      .optional()
      .describe(
        'Certificates (PEM) that RUN trusts besides its image: a file, or system: those of the server’s machine',
      ),
    split: z
      .enum(['java'], { error: 'java' })
      .optional()
      .describe('COPY of an unpacked jar or WAR becomes layers by how often they change'),
    platforms: z
      .array(z.string().regex(BUILD_PLATFORM, { error: 'a platform such as linux/arm64' }), {
        error: 'a list of platforms',
      })
      .optional()
      .describe('What the image is for, such as [linux/amd64, linux/arm64]; default: the machine of the server'),
    with: z
      .enum(['naru', 'buildkit', 'docker', 'buildah', 'auto'], { error: 'naru, buildkit, docker, buildah or auto' })
      .optional()
      .describe('Who builds; default naru. auto: BuildKit where `# syntax=` names a frontend of its own'),
    watch: z.array(text('a pattern')).optional().describe('What makes this app change (monorepos)'),
  })
  .describe('How the code becomes an image')
