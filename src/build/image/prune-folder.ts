import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Keeps the newest files of a cache folder: when there are more than `most`, the oldest quarter goes. */
export async function pruneFolder(folder: string, most: number): Promise<void> {
  const names = await readdir(folder)
  if (names.length <= most) return
  const files = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name)
      const found = await stat(path).catch(() => null)
      return { path, mtimeMs: found?.mtimeMs ?? 0 }
    }),
  )
  const oldest = files.sort((a, b) => a.mtimeMs - b.mtimeMs).slice(0, Math.ceil(names.length / 4))
  await Promise.all(oldest.map(({ path }) => rm(path, { force: true })))
}
