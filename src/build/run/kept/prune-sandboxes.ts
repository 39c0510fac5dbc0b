import { lstat, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** A cache mount that no RUN used for so long is forgotten. */
const CACHE_MS = 30 * 24 * 3600_000

/** What is kept between builds: results of RUNs and which of them were renewed, unpacked layers, archives and downloads of ADD. */
const KINDS = ['runs', 'renewed', 'lowers', 'archives', 'downloads']

interface Kept {
  readonly path: string
  readonly bytes: number
  readonly usedMs: number
}

/**
 * Removes the results and unpacked layers that were used longest ago until the rest takes at most `mostBytes`, and old cache
 * mounts. Only while no build runs: any of them may be a lower folder.
 */
export async function pruneSandboxes(
  folder: string,
  mostBytes: number,
  remove: (path: string) => Promise<void>,
): Promise<void> {
  const kept = (await Promise.all(KINDS.map((kind) => list(join(folder, kind))))).flat()
  let total = kept.reduce((sum, { bytes }) => sum + bytes, 0)
  for (const { path, bytes } of kept.sort((a, b) => a.usedMs - b.usedMs)) {
    if (total <= mostBytes) break
    await remove(path)
    total -= bytes
  }
  const now = Date.now()
  for (const { path, usedMs } of await list(join(folder, 'caches'))) if (now - usedMs > CACHE_MS) await remove(path)
}

/** Changes when an entry was added or removed: hundreds of them are not looked at again for each build. */
export async function keptState(folder: string): Promise<string> {
  const times = await Promise.all(
    [...KINDS, 'caches'].map((kind) => stat(join(folder, kind), { bigint: true }).catch(() => null)),
  )
  return times.map((found) => found?.mtimeNs ?? 0n).join()
}

async function list(folder: string): Promise<readonly Kept[]> {
  const names = await readdir(folder).catch(() => [])
  return Promise.all(
    names.map(async (name) => {
      const path = join(folder, name)
      const bytes = Number(await readFile(join(path, 'bytes'), 'utf8').catch(() => '0'))
      const found = await stat(path).catch(() => null)
      return { path, bytes, usedMs: found?.mtimeMs ?? 0 }
    }),
  )
}

/** What pruning freed, or would free. */
export interface Pruned {
  readonly entries: number
  readonly bytes: number
}

/**
 * Removes all that builds kept here: results, unpacked layers, archives, downloads and cache mounts. Only while no build runs.
 * `remove` null: only tells what would go.
 */
export async function pruneAll(
  folder: string,
  remove: ((path: string) => Promise<void>) | null,
  signal: AbortSignal,
): Promise<Pruned> {
  const kept = (await Promise.all(KINDS.map((kind) => list(join(folder, kind))))).flat()
  for (const { path, usedMs } of await list(join(folder, 'caches')))
    kept.push({ path, bytes: await bytesBelow(path), usedMs })
  let bytes = 0
  for (const each of kept) {
    signal.throwIfAborted()
    if (remove !== null) await remove(each.path)
    bytes += each.bytes
  }
  return { entries: kept.length, bytes }
}

/** Bytes of all files of a folder; what this user may not read counts nothing. */
async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) bytes += await bytesBelow(path)
    else bytes += (await lstat(path).catch(() => null))?.size ?? 0
  }
  return bytes
}
