import type { Readable } from 'node:stream'
import { stat } from 'node:fs/promises'
import type { Clock } from '../../lib/clock.ts'
import { DeployError } from '../../model/failure.ts'
import type { DamagedContent } from '../../model/registry-keeping.ts'
import { readBlobFile } from './blob-files.ts'
import { storedBlobs } from './collect-garbage.ts'
import { RepositoryFiles, repositoryNames } from './repository-files.ts'
import { ignoreMissing, type StoreFolder } from './store-folder.ts'

/** Content of a repository that another registry may have. */
export interface Wanted {
  readonly repository: string
  readonly digest: string
  /** A manifest is asked for in another way than a blob. */
  readonly isManifest: boolean
}

/** What a scrub needs besides the folder. */
export interface ScrubTools {
  readonly clock: Clock
  /** null: as fast as the disk is. */
  readonly bytesPerSecond: number | null
  /** Another place that has it, and its bytes; null: none has. Whatever fails there is no failure of the scrub. */
  readonly elsewhere: (
    wanted: Wanted,
    signal: AbortSignal,
  ) => Promise<{ readonly place: string; readonly bytes: Readable } | null>
  /** Puts bytes in the place of those that were lost. Throws DIGEST_MISMATCH when they are others. */
  readonly restore: (digest: string, bytes: Readable, signal: AbortSignal) => Promise<void>
  readonly progress: (so: {
    readonly blobs: number
    readonly ofBlobs: number
    readonly bytes: number
    readonly damaged: number
  }) => void
}

const PROGRESS_MS = 1000

/**
 * Reads everything in the store and compares it with its digest. What is damaged is set aside at once, so that it is never served; then it, and
 * what repositories lack the bytes of, is fetched again where another place has it. Everything else may go on meanwhile.
 */
export async function scrub(folder: StoreFolder, tools: ScrubTools, signal: AbortSignal) {
  const { clock } = tools
  const digests: string[] = []
  for await (const digest of storedBlobs(folder)) digests.push(digest)
  const damaged = new Set<string>()
  let [blobs, bytes, toldMs] = [0, 0, clock.monotonic()]
  const began = clock.monotonic()
  for (const digest of digests) {
    if (
      !(await isSound(folder, digest, clock, async (size) => {
        bytes += size
        await keepPace(tools, bytes, began, signal)
      }))
    )
      damaged.add(digest)
    blobs++
    if (clock.monotonic() - toldMs < PROGRESS_MS) continue
    toldMs = clock.monotonic()
    tools.progress({ blobs, ofBlobs: digests.length, bytes, damaged: damaged.size })
  }
  return { blobs, bytes, damaged: await mend(folder, tools, damaged, signal) }
}

/** Whether the bytes are right; what went away meanwhile is. Damaged ones are set aside. */
async function isSound(folder: StoreFolder, digest: string, clock: Clock, each: (size: number) => Promise<void>) {
  try {
    for await (const piece of readBlobFile(folder, digest, clock.now())) await each(piece.length)
    return true
  } catch (failed) {
    if (failed instanceof DeployError && failed.code === 'STORE_CORRUPT') return false
    if (failed instanceof DeployError && failed.code === 'IMAGE_NOT_FOUND') return true
    throw failed
  }
}

async function keepPace({ clock, bytesPerSecond }: ScrubTools, bytes: number, began: number, signal: AbortSignal) {
  signal.throwIfAborted()
  if (bytesPerSecond === null) return
  const early = (bytes / bytesPerSecond) * 1000 - (clock.monotonic() - began)
  if (early > 0) await clock.sleep(early, signal)
}

/** Fetches what was found damaged now, and what repositories have without its bytes since some time. */
async function mend(
  folder: StoreFolder,
  tools: ScrubTools,
  damaged: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<readonly DamagedContent[]> {
  const lost = new Map<string, Wanted[]>([...damaged].map((digest) => [digest, []]))
  for (const repository of await repositoryNames(folder)) {
    const files = new RepositoryFiles(folder, repository)
    for (const kind of ['_manifests', '_blobs'] as const) {
      for (const digest of await files.marks(kind)) {
        signal.throwIfAborted()
        if ((await stat(folder.blobPath(digest)).catch(ignoreMissing)) !== null) continue
        lost.set(digest, [...(lost.get(digest) ?? []), { repository, digest, isManifest: kind === '_manifests' }])
      }
    }
  }
  const found: DamagedContent[] = []
  for (const [digest, wanted] of lost) {
    const repositories = [...new Set(wanted.map(({ repository }) => repository))]
    found.push({ digest, repositories, fetchedFrom: await fetchAgain(tools, wanted, signal) })
  }
  return found
}

async function fetchAgain(tools: ScrubTools, all: readonly Wanted[], signal: AbortSignal): Promise<string | null> {
  for (const wanted of all) {
    const found = await tools.elsewhere(wanted, signal)
    if (found === null) continue
    try {
      await tools.restore(wanted.digest, found.bytes, signal)
      return found.place
    } catch (failed) {
      signal.throwIfAborted()
      // A full disk concerns all that follow; wrong bytes, or a connection that broke, only this place.
      if (failed instanceof DeployError && failed.code === 'DISK_FULL') throw failed
    } finally {
      found.bytes.destroy()
    }
  }
  return null
}
