import type { KeepingReport, KeepingRequest } from '../../model/registry-keeping.ts'
import type { DiskStore } from '../disk/disk-store.ts'
import type { ScrubTools } from '../disk/scrub.ts'
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
  if (request.kind === 'collect') return collect(keeping, request, signal)
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
  const tags = retention === null ? [] : planRetention(await allTags(store), retention, now())
  const untagged = new Map<string, Set<string>>()
  for (const { repository, tag } of tags) {
    signal.throwIfAborted()
    if (!dryRun) await store.deleteManifest(repository, tag, signal)
    untagged.set(repository, (untagged.get(repository) ?? new Set()).add(tag))
  }
  const request = { keep: await kept(), graceMs, ...(dryRun ? { untagged, dryRun } : {}) }
  return { kind: 'collected', dryRun, tags, ...(await store.collectGarbage(request, signal)) }
}

async function allTags(store: DiskStore) {
  const all = (await store.repositories()).map(async (repository) => {
    return (await store.tagAges(repository)).map((age) => ({ repository, ...age }))
  })
  return (await Promise.all(all)).flat()
}
