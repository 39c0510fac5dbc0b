import { basename, resolve } from 'node:path'
import type { PruneRequest } from '../../api/requests.ts'
import type { BaseImageBody, ImagesBody, PruneBody } from '../../api/responses.ts'
import { DeployError } from '../../model/failure.ts'
import { parseReference } from '../../model/reference.ts'
import { findProgram, isProgram, pathFolders } from '../../os/find-program.ts'
import type { Describe } from '../describe.ts'
import { examples } from '../help.ts'
import { withServer } from '../connect.ts'
import type { Session } from '../session.ts'
import { share, TO_SERVER } from '../shared-options.ts'
import { bytesText, countText, shortDigest } from '../show/quantities.ts'

export const describeImage: Describe = (command, start) => {
  const list = command
    .command('list')
    .summary('repositories and tags')
    .description('Repositories and tags of the embedded registry.')
  share(list, TO_SERVER)
  list.action(() => start(list, listImages))
  const base = command
    .command('base')
    .summary('make a base image from a program of this machine')
    .description('Make a base image from a program of this machine and the shared libraries that it needs.')
    .argument('<program>', 'name in PATH, or a path')
    .option('--name <reference>', 'repository:tag (default: base/PROGRAM, and for node its major version)')
  share(base, TO_SERVER)
  base.action((program: string, { name }: { readonly name?: string }) =>
    start(base, (session) => makeBase(session, program, name ?? null)),
  )
  const prune = command
    .command('prune')
    .summary('free what no release, tag or build needs any more')
    .description(
      'Free what no release, tag or build needs any more. What a rollback can go back to stays; so does what was written or asked for within the last hour.',
    )
    .option('--build-cache', 'also all that builds keep: results of RUN, unpacked layers, downloads, cache mounts')
    .option('-a, --all', 'also the build cache, and copies of other registries’ images not used within the last hour')
    .option('--dry-run', 'tell what would go; delete nothing')
  share(prune, TO_SERVER)
  prune.action((asked: PruneOptions) => start(prune, (session) => pruneImages(session, asked)))
  examples(command, [
    ['naru image base node', 'base/node:24 from the Node that runs Naru'],
    ['naru image base /usr/bin/python3 --name base/python:3', 'from any program'],
    ['naru image list', 'repositories and tags'],
    ['naru image prune --all --dry-run', 'how much could be freed'],
  ])
}

async function listImages(session: Session): Promise<void> {
  const { output, signal } = session
  await withServer(session, 'looks', async ({ client }) => {
    const body = await client.get<ImagesBody>('/v1/images', signal)
    if (output.json) return output.object(body)
    for (const { repository, tags } of body.images) output.data(`${repository}: ${tags.join(', ')}`)
    if (body.images.length === 0) output.tell('no images yet: naru image base node makes the first one')
  })
}

interface PruneOptions {
  readonly buildCache?: boolean
  readonly all?: boolean
  readonly dryRun?: boolean
}

async function pruneImages(session: Session, { buildCache, all, dryRun }: PruneOptions): Promise<void> {
  const { output, signal } = session
  const body: PruneRequest = { buildCache: buildCache ?? false, all: all ?? false, dryRun: dryRun ?? false }
  await withServer(session, 'looks', async ({ client }) => {
    const pruned = await client.post<PruneBody>('/v1/images/prune', body, signal)
    if (output.json) output.object(pruned)
    else for (const line of prunedLines(pruned, body)) output.data(line)
  })
}

function prunedLines({ dryRun, freedBytes, registry, buildCache }: PruneBody, asked: PruneRequest): readonly string[] {
  const lines = [
    `registry: ${countText(registry.manifests)} manifests, ${countText(registry.blobs)} blobs, ${bytesText(registry.bytes)}`,
  ]
  if (buildCache.inUse)
    lines.push('build cache: a build runs, so that all of it stays; run this again when it has ended')
  else if (asked.buildCache || asked.all)
    lines.push(`build cache: ${countText(buildCache.entries)} entries, ${bytesText(buildCache.bytes)}`)
  return [...lines, `${bytesText(freedBytes)} ${dryRun ? 'would be freed' : 'freed'}`]
}

async function makeBase(session: Session, program: string, name: string | null): Promise<void> {
  const { output, signal } = session
  const path = programOf(program, session)
  const { repository, tag } = parseReference(name ?? defaultName(path))
  const body = { program: path, repository, tag: tag ?? 'latest' }
  await withServer(session, 'looks', async ({ client }) => {
    const made = await client.post<BaseImageBody>('/v1/images/base', body, signal)
    if (output.json) output.object(made)
    else output.data(`${made.reference}  ${shortDigest(made.digest)}  ${bytesText(made.size)}`)
  })
}

/** `base/node:24` for the Node that runs us, `base/PROGRAM` for any other program. */
function defaultName(path: string): string {
  const program = basename(path).toLowerCase()
  return program === 'node' ? `base/node:${process.versions.node.split('.')[0]}` : `base/${program}`
}

/** `node` is the Node that runs Naru: the system's may be older or not there. */
function programOf(program: string, { env, folder }: Session): string {
  if (program === 'node') return process.execPath
  const path = resolve(folder, program)
  const found = program.includes('/')
    ? isProgram(path)
      ? path
      : null
    : findProgram(program, pathFolders(env.PATH ?? ''))
  if (found !== null) return found
  throw new DeployError('BUILD_PROGRAM_NOT_FOUND', `there is no program ${program}`, {
    hint: program.includes('/') ? 'Check the path.' : 'It is in no folder of PATH: give its path.',
  })
}
