import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** What a killed build left is removed after a day: no build takes that long. */
const STALE_MS = 24 * 3600 * 1000

/** Where the temporary files of builds go. */
export const temporaryFolder = (cacheFolder: string): string => join(cacheFolder, 'tmp')

/** Removes what builds left that were killed. `nowMs`: wall time, as file times are. */
export async function sweepTemporary(cacheFolder: string, nowMs: number): Promise<void> {
  const folder = temporaryFolder(cacheFolder)
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name)
    const found = await stat(path).catch(() => null)
    if (found !== null && nowMs - found.mtimeMs > STALE_MS) await rm(path, { recursive: true, force: true })
  }
}
