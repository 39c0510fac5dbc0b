import { DeployError } from '../../model/failure.ts'
import type { ExpiredTag, KeepingReport, KeepingRequest, ListedTag } from '../../model/registry-keeping.ts'
import type { DiskStore } from '../disk/disk-store.ts'
import type { ScrubTools } from '../disk/scrub.ts'
import { RepositoryReading } from '../contents/registry-contents.ts'
import { planRetention } from './plan-retention.ts'

/** What keeping a registry needs. */
export interface Keeping {
  readonly store: DiskStore
  /** Digests of manifests that stay although no tag names them: those of releases. */
  readonly kept: () => Promise<ReadonlySet<string>>
  readonly elsewhere: (from: string | null) => ScrubTools['elsewhere']
  /** Wall clock. */
  readonly now: () => number
}

/** Does what was asked for, beside everything else that the registry does; tells how far it is, and answers what it did. */
export async function keepRegistry(
  keeping: Keeping,
  request: KeepingRequest,
  tell: (report: KeepingReport) => void,
  signal: AbortSignal,
): Promise<KeepingReport> {
  switch (request.kind) {
    case 'collect':
      return collect(keeping, request, signal)
    case 'scrub':
      return scrub(keeping, request, tell, signal)
    case 'usage':
      return usage(keeping, signal)
    case 'tags':
      return listTags(keeping, request.repository, signal)
    case 'remove':
      return remove(keeping, request, signal)
    default:
      throw new Error(`${JSON.stringify(request satisfies never)} is nothing that is done here`)
  }
}

/** Throws USAGE_INVALID for what a release can be rolled back to; its tags may go, as it stays without them. */
async function remove(
  { store, kept }: Keeping,
  { repository, reference }: Extract<KeepingRequest, { kind: 'remove' }>,
  signal: AbortSignal,
): Promise<KeepingReport> {
  if ((await kept()).has(reference)) {
    throw new DeployError('USAGE_INVALID', `a release can still be rolled back to ${repository}@${reference}`, {
      hint: 'Nothing was deleted. It goes with its release: a smaller rollout.revisionHistoryLimit keeps fewer.',
      detail: { repository, reference },
    })
  }
  const wasThere = await store.deleteManifest(repository, reference, signal)
  return { kind: 'removed', repository, reference, wasThere }
}

async function scrub(
  keeping: Keeping,
  request: Extract<KeepingRequest, { kind: 'scrub' }>,
  tell: (report: KeepingReport) => void,
  signal: AbortSignal,
): Promise<KeepingReport> {
  const { bytesPerSecond, from } = request
  const progress: ScrubTools['progress'] = (so) => tell({ kind: 'progress', ...so })
  const elsewhere = keeping.elsewhere(from)
  return { kind: 'scrubbed', ...(await keeping.store.scrub({ bytesPerSecond, elsewhere, progress }, signal)) }
}

async function collect(
  { store, kept, now }: Keeping,
  { dryRun, graceMs, retention }: Extract<KeepingRequest, { kind: 'collect' }>,
  signal: AbortSignal,
): Promise<KeepingReport> {
  const expired = retention === null ? [] : planRetention(await allTags(store), retention, now())
  const tags: ExpiredTag[] = []
  const untagged = new Map<string, Set<string>>()
  for (const { repository, tag, setAtMs, cause } of expired) {
    signal.throwIfAborted()
    // Whoever pushed or deployed it meanwhile keeps it.
    if (!dryRun && !(await store.deleteUnchangedTag(repository, tag, setAtMs))) continue
    tags.push({ repository, tag, cause })
    untagged.set(repository, (untagged.get(repository) ?? new Set()).add(tag))
  }
  const request = { keep: await kept(), graceMs, ...(dryRun ? { untagged, dryRun } : {}) }
  return { kind: 'collected', dryRun, tags, ...(await store.collectGarbage(request, signal)) }
}

/** What each repository has, and what of all is garbage. */
async function usage({ store, kept }: Keeping, signal: AbortSignal): Promise<KeepingReport> {
  const repositories: { repository: string; tags: number; bytes: number }[] = []
  for (const repository of await store.repositories()) {
    signal.throwIfAborted()
    const tags = await store.tags(repository, signal)
    repositories.push({ repository, tags: tags.length, bytes: await store.usage.of(repository) })
  }
  const garbage = await store.collectGarbage({ keep: await kept(), dryRun: true }, signal)
  const bytes = await store.usage.whole()
  repositories.sort((a, b) => b.bytes - a.bytes)
  return { kind: 'usage', repositories, bytes, garbageBytes: garbage.bytes }
}

async function listTags({ store }: Keeping, repository: string, signal: AbortSignal): Promise<KeepingReport> {
  const tags: ListedTag[] = []
  const reading = new RepositoryReading(store, repository, signal)
  for (const { tag, setAtMs } of await store.tagAges(repository)) {
    // Damage must not hide the other tags.
    const image = await reading.tag(tag).catch(() => null)
    tags.push({ tag, digest: await store.resolveTag(repository, tag, signal), bytes: image?.bytes ?? null, setAtMs })
  }
  return { kind: 'tags', repository, tags }
}

async function allTags(store: DiskStore) {
  const all = (await store.repositories()).map(async (repository) => {
    return (await store.tagAges(repository)).map((age) => ({ repository, ...age }))
  })
  return (await Promise.all(all)).flat()
}
