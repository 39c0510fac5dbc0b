import type { PruneBody } from '../api/responses.ts'
import type { PruneRequest } from '../api/requests.ts'
import type { SweepingBuilder } from '../build/dockerfile-builder.ts'
import type { Memory } from '../memory/memory.ts'
import { COPIES } from '../registry/bases/copy-name.ts'
import type { Garbage } from '../registry/disk/collect-garbage.ts'
import type { DiskStore } from '../registry/disk/disk-store.ts'
import { keptByReleases } from './keep-registry.ts'

const HOUR_MS = 3600_000
/** Copies of images of other registries that no build or deploy asked for in so long go; releases keep their own. */
const COPIES_UNUSED_MS = 30 * 24 * HOUR_MS

/** How much goes. */
export interface Pruning {
  /** Only tells what would go. Default false. */
  readonly dryRun?: boolean
  /** Copies of other registries' images that were not used for so long go. Default 30 days. */
  readonly copiesUnusedMs?: number
}

/** Deletes what no release, tag or running build needs of the embedded registry. */
export async function pruneImages(
  images: DiskStore,
  memory: Memory,
  { dryRun = false, copiesUnusedMs = COPIES_UNUSED_MS }: Pruning,
  signal: AbortSignal,
): Promise<Garbage> {
  const scopes = await memory.scopes()
  const keep = await keptByReleases(memory)
  const apps = new Set(scopes.map(({ app }) => app))
  const untagged = new Map<string, Set<string>>()
  // Tags of an app's own repository are commits: they go with their releases. Base images and pushed ones stay.
  for (const repository of await images.repositories()) {
    if (!apps.has(repository)) continue
    const gone = new Set<string>()
    for (const tag of await images.tags(repository, signal)) {
      const digest = await images.resolveTag(repository, tag, signal)
      if (digest === null || keep.has(digest)) continue
      gone.add(tag)
      if (!dryRun) await images.deleteManifest(repository, tag, signal)
    }
    untagged.set(repository, gone)
  }
  const expire = { below: COPIES, unusedMs: copiesUnusedMs }
  return images.collectGarbage({ keep, expire, ...(dryRun ? { untagged, dryRun } : {}) }, signal)
}

/** What `naru image prune` asks for. */
export async function pruneStorage(
  { images, memory, builder }: { images: DiskStore; memory: Memory; builder: Pick<SweepingBuilder, 'prune'> },
  { buildCache, all, dryRun }: PruneRequest,
  signal: AbortSignal,
): Promise<PruneBody> {
  // Not at once: a build that runs may have asked for one a moment ago.
  const copies = all ? { copiesUnusedMs: HOUR_MS } : {}
  const registry = await pruneImages(images, memory, { dryRun, ...copies }, signal)
  const kept = buildCache || all ? await builder.prune(dryRun, signal) : { entries: 0, bytes: 0 }
  return {
    dryRun,
    freedBytes: registry.bytes + (kept?.bytes ?? 0),
    registry,
    buildCache: { ...(kept ?? { entries: 0, bytes: 0 }), inUse: kept === null },
  }
}
