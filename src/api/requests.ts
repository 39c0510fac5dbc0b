import { z } from 'zod'
import { BUILD_PLATFORM } from '../model/descriptor.ts'

/** Where the source is and which revision of it is meant. */
const source = z.object({
  repository: z
    .string()
    .nullable()
    .describe('Absolute path of the repository that the caller stands in; null: naru.yaml names one.'),
  folder: z.string().describe("The app's folder inside the repository; empty: its root."),
  ref: z.string().nullable().describe('Branch, tag or commit; null: what naru.yaml says, else what is checked out.'),
  upload: z
    .object({
      commit: z.string().describe('Full id, as in PUT /v1/sources/{commit}.'),
      url: z.string().max(2048).describe('How the caller calls its repository: recorded, asked for nothing.'),
    })
    .optional()
    .describe('A commit that was sent before, in place of a repository that the server can reach.'),
})

/** A full commit id (SHA-1 or SHA-256) in a path. */
export const commitParams = z.object({ commit: z.string().regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/) })

const naruYaml = z.object({
  text: z.string().max(1_048_576),
  name: z
    .string()
    .regex(/^[^/\0]{1,255}$/)
    .describe('Its name, without a folder; the commit is asked for the same one.'),
})

/** What every request that resolves an app carries. */
const appFields = {
  file: naruYaml.nullable().describe('naru.yaml in front of the caller; null: there is none.'),
  folderName: z
    .string()
    .describe('Name of the folder in front of the caller: the app is named after it when there is no file.'),
  environment: z.string().nullable().describe('The environment that was asked for; null: the only one.'),
  source,
  variables: z.record(z.string(), z.string()).describe("The caller's variables that the file names."),
  by: z.string().max(200).describe('Who asks, for the history.'),
}

export const deployRequest = z
  .object({
    ...appFields,
    image: z.string().nullable().describe('Deploy this image instead of building.'),
    revision: z.number().int().positive().nullable().describe('Deploy this existing revision again.'),
    plan: z
      .object({ inputs: z.string(), observed: z.string() })
      .nullable()
      .describe('Fingerprints of a saved plan: refused when either differs.'),
  })
  .describe('From a commit to a rollout.')

/** What `naru plan` asks: as a deploy, and nothing changes. */
export const planRequest = z.object({
  ...appFields,
  image: z.string().nullable(),
  revision: z.number().int().positive().nullable(),
})

export const buildRequest = z
  .object({
    ...appFields,
    dockerfile: z.string().nullable(),
    args: z.record(z.string(), z.string()),
    target: z.string().nullable(),
    platforms: z
      .array(z.string().regex(BUILD_PLATFORM))
      .optional()
      .describe('What the image is for; none: as build.platforms says.'),
    tags: z
      .array(z.string())
      .describe('References to put the image under besides the app’s own; with a registry they are pushed there.'),
    ssh: z
      .record(z.string(), z.string().startsWith('/'))
      .optional()
      .describe('Sockets of ssh agents on the server’s machine, by id, for RUN --mount=type=ssh.'),
    contexts: z
      .record(z.string(), z.string())
      .optional()
      .describe('Names for FROM and --from: folders of the commit, docker-image://NAME, git references.'),
    runLimits: z
      .object({
        memoryBytes: z.number().int().positive().nullable(),
        cpuMilli: z.number().int().positive().nullable(),
        timeoutMs: z.number().int().positive().max(86_400_000).nullable(),
      })
      .optional()
      .describe('What one RUN may take; null: as build.runLimits says.'),
    ca: z
      .string()
      .max(2 ** 20)
      .nullish()
      .describe(
        'Certificates (PEM) that RUN trusts, or system: those of the server’s machine. null: as build.ca says.',
      ),
    fresh: z.boolean().optional().describe('Each RUN is carried out, also where its result is there.'),
    output: z.string().nullable().describe('oci:FOLDER (on the server’s machine) in addition to the registry.'),
  })
  .describe('Build without deploying.')

/** The revision to go back to; null: the last other one that ended all-new. */
export const rollbackRequest = z.object({ revision: z.number().int().positive().nullable(), by: z.string() })
/** How many replicas each role shall have. */
export const scaleRequest = z.object({
  replicas: z.record(z.string(), z.number().int().min(0).max(1000)),
  by: z.string(),
})
/** A request that says no more than who asks. */
export const byRequest = z.object({ by: z.string() })
/** A new value of a secret. */
export const secretRequest = z.object({ value: z.string().max(65_536), by: z.string() })
/** A base image of a program of this machine. */
export const baseImageRequest = z.object({
  program: z.string().describe('Absolute path of a program on the server’s machine.'),
  repository: z.string(),
  tag: z.string(),
})
/** What may go to free space. What a release can go back to is never touched. */
export const pruneRequest = z.object({
  buildCache: z.boolean().describe('Also all that builds keep for the next ones.'),
  all: z
    .boolean()
    .describe('Also the build cache, and copies of other registries’ images that were not used within an hour.'),
  dryRun: z.boolean().describe('Only tell what would go.'),
})

export type DeployRequest = z.infer<typeof deployRequest>
export type PlanRequest = z.infer<typeof planRequest>
export type BuildRequestBody = z.infer<typeof buildRequest>
export type BaseImageRequest = z.infer<typeof baseImageRequest>
export type PruneRequest = z.infer<typeof pruneRequest>
