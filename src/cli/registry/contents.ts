import type { Command } from 'commander'
import { DeployError } from '../../model/failure.ts'
import { isRegistryHost, parseReference, type Reference } from '../../model/reference.ts'
import type { Start } from '../describe.ts'
import { examples } from '../help.ts'
import type { KeepingReport, KeepingRequest } from '../../model/registry-keeping.ts'
import type { ContentsHost } from '../host.ts'
import type { Session } from '../session.ts'
import { share } from '../shared-options.ts'
import { columns } from '../show/columns.ts'
import { bytesText, countText, timeText } from '../show/quantities.ts'

const PLACE = 'team/shop is of the data folder, registry.example.com/team/shop of a registry elsewhere'

/** `naru registry tags`. */
export function describeTags(command: Command, start: Start): void {
  command
    .summary('repositories, or the tags of one')
    .description(
      'Repositories with their number of tags, or the tags of one with what they lead to. Elsewhere it uses the login of naru login.',
    )
    .argument('[repository]', `${PLACE}; a host alone is all of it`)
  share(command, ['data', 'output', 'quiet', 'timeout'])
  command.action((place?: string) => start(command, (session) => listTags(session, placeOf(place))))
  examples(command, [
    ['naru registry tags', 'all repositories of the data folder'],
    ['naru registry tags team/shop', 'its tags, digests and sizes'],
    ['naru registry tags registry.example.com/team/shop', 'those of a registry elsewhere'],
  ])
}

/** `naru registry rm`. */
export function describeRm(command: Command, start: Start): void {
  command
    .summary('delete tags, or images with all their tags')
    .description(
      'Delete tags, or by digest images with all their tags. What nothing leads to any more is freed by the next collection.',
    )
    .argument('<references...>', 'team/shop:1 is the tag, team/shop@sha256:… the image with all its tags')
  share(command, ['data', 'output', 'quiet', 'timeout'])
  command.action((references: readonly string[]) => start(command, (session) => remove(session, references)))
  examples(command, [
    ['naru registry rm team/shop:1.2 team/shop:1.3', 'two tags'],
    ['naru registry rm registry.example.com/team/shop:old', 'at a registry elsewhere'],
    ['naru registry gc', 'frees what nothing leads to any more'],
  ])
}

/** `naru registry usage`. */
export function describeUsage(command: Command, start: Start): void {
  command
    .summary('what repositories take')
    .description(
      'What repositories take, each blob once in each, and all together. Elsewhere only what tags lead to is counted.',
    )
    .argument('[repository]', `${PLACE}; a host alone is all of it`)
  share(command, ['data', 'output', 'quiet', 'timeout'])
  command.action((place?: string) => start(command, (session) => showUsage(session, placeOf(place))))
  examples(command, [
    ['naru registry usage', 'all repositories of the data folder, the largest first'],
    ['naru registry usage team/shop', 'one of them'],
    ['naru registry usage registry.example.com', 'of a registry elsewhere'],
  ])
}

/** `repository` null: all. */
interface Place {
  readonly registry: string | null
  readonly repository: string | null
}

/** A host alone is a registry when it has a dot, is localhost or an address, or ends in a slash (`registry:5000/`). Throws USAGE_INVALID, REFERENCE_INVALID. */
function placeOf(text: string | undefined): Place {
  if (text === undefined) return { registry: null, repository: null }
  const host = text.replace(/\/$/, '')
  const isNamed = host !== text || /^(localhost(:|$)|\[)|^[^:]*\./.test(host)
  if (isNamed && isRegistryHost(host)) return { registry: host, repository: null }
  const { registry, repository, tag, digest } = parseReference(text)
  if (tag === null && digest === null) return { registry, repository }
  throw new DeployError('USAGE_INVALID', `${JSON.stringify(text)} is an image; this is about a repository`, {
    hint: `Leave out the ${tag === null ? 'digest' : 'tag'}: ${registry === null ? '' : `${registry}/`}${repository}.`,
  })
}

function contentsOf(session: Session, registry: string | null): Promise<ContentsHost> | ContentsHost {
  return registry === null ? ownContents(session) : session.host.registryElsewhere(registry)
}

/** The registry of the data folder: through whoever serves it, or where nobody does, by the command itself. */
function ownContents({ host, options }: Session): ContentsHost {
  const ask = async <K extends KeepingReport['kind']>(request: KeepingRequest, kind: K, signal: AbortSignal) => {
    for await (const report of host.keepRegistry(host.dataFolder(options.data), request, signal))
      if (report.kind === kind) return report as Extract<KeepingReport, { kind: K }>
    throw new Error(`no report: ${kind}`)
  }
  const usage = async (of: string | null, signal: AbortSignal) => {
    const { repositories: all, ...sums } = await ask({ kind: 'usage' }, 'usage', signal)
    return { ...sums, repositories: all.filter(({ repository }) => of === null || of === repository) }
  }
  return {
    repositories: async (signal) =>
      (await usage(null, signal)).repositories
        .map(({ repository, tags }) => ({ repository, tags }))
        .sort((a, b) => (a.repository < b.repository ? -1 : 1)),
    tags: async (repository, signal) => (await ask({ kind: 'tags', repository }, 'tags', signal)).tags,
    remove: async (repository, reference, signal) =>
      (await ask({ kind: 'remove', repository, reference }, 'removed', signal)).wasThere,
    usage,
    close: () => {},
  }
}

async function withContents(
  session: Session,
  registry: string | null,
  work: (contents: ContentsHost) => Promise<void>,
) {
  const contents = await contentsOf(session, registry)
  try {
    await work(contents)
  } finally {
    contents.close()
  }
}

function listTags(session: Session, { registry, repository }: Place): Promise<void> {
  const { output, signal } = session
  return withContents(session, registry, async (contents) => {
    if (repository === null) return listRepositories(session, contents)
    const tags = await contents.tags(repository, signal)
    if (tags.length === 0) await checkThere(contents, repository, signal)
    if (output.json) return output.object({ registry, repository, tags })
    const rows = tags.map(({ tag, digest, bytes, setAtMs }) => [
      ...[tag, digest ?? 'damaged', bytes === null ? 'damaged' : bytesText(bytes)],
      setAtMs === null ? '' : timeText(setAtMs),
    ])
    const head = ['tag', 'digest', 'size', registry === null ? 'set' : '']
    for (const line of columns(head, rows)) output.data(line)
  })
}

async function listRepositories({ output, signal }: Session, contents: ContentsHost): Promise<void> {
  const repositories = await contents.repositories(signal)
  if (output.json) return output.object({ repositories })
  if (repositories.length === 0) return output.tell('no repositories yet')
  const rows = repositories.map(({ repository, tags }) => [repository, countText(tags)])
  for (const line of columns(['repository', 'tags'], rows)) output.data(line)
}

/** A repository without tags may be there; one that was mistyped is told. Many registries do not say what they have. */
async function checkThere(contents: ContentsHost, repository: string, signal: AbortSignal): Promise<void> {
  const known = await contents.repositories(signal).catch(() => null)
  if (known === null || known.some((each) => each.repository === repository)) return
  throw notThere(repository)
}

const notThere = (repository: string) =>
  new DeployError('IMAGE_NOT_FOUND', `there is no repository ${repository}`, {
    hint: 'See which there are with: naru registry tags.',
    detail: { repository },
  })

async function remove(session: Session, texts: readonly string[]): Promise<void> {
  const { output, signal } = session
  // All are read before one is deleted.
  const references = texts.map(deletable)
  const many = texts.length === 1 ? '' : 'What stood before it was deleted, what stands behind it was not. '
  for (const { registry, repository, tag, digest } of references) {
    const name = digest ?? tag ?? ''
    const place = `${registry === null ? '' : `${registry}/`}${repository}`
    const text = `${place}${digest === null ? ':' : '@'}${name}`
    await withContents(session, registry, async (contents) => {
      if (await contents.remove(repository, name, signal)) return
      throw new DeployError('IMAGE_NOT_FOUND', `there is no ${text}`, {
        hint: `${many}See what there is with: naru registry tags ${place}.`,
        detail: { reference: text },
      })
    })
    if (output.json) output.object({ deleted: text })
    else output.data(`deleted ${text}`)
  }
}

function deletable(text: string): Reference {
  const reference = parseReference(text)
  const { tag, digest } = reference
  if ((tag === null) !== (digest === null)) return reference
  throw new DeployError(
    'USAGE_INVALID',
    `${JSON.stringify(text)} ${tag === null ? 'names a whole repository' : 'has a tag and a digest'}`,
    {
      hint: 'Nothing was deleted. Write REPOSITORY:TAG for a tag, REPOSITORY@DIGEST for an image with all its tags; many tags go by rule: naru registry gc --repository team/shop --keep-last 0.',
    },
  )
}

function showUsage(session: Session, { registry, repository }: Place): Promise<void> {
  const { output, signal } = session
  return withContents(session, registry, async (contents) => {
    const { repositories, bytes, garbageBytes } = await contents.usage(repository, signal)
    if (repository !== null && repositories.length === 0) throw notThere(repository)
    if (output.json) return output.object({ registry, repositories, bytes, garbageBytes })
    const rows = repositories.map((one) => [one.repository, countText(one.tags), bytesText(one.bytes)])
    if (rows.length > 0) for (const line of columns(['repository', 'tags', 'size'], rows)) output.data(line)
    if (repository !== null) return
    if (garbageBytes === null) output.data(`${bytesText(bytes)} in all that tags lead to`)
    else output.data(`${bytesText(bytes)} on the disk, ${bytesText(garbageBytes)} of it could be freed`)
  })
}
