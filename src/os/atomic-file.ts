import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Makes the content of a file durable, or of a folder: what was made, renamed or deleted in it. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes a rename or unlink in this folder durable. */
export const syncFolder = (folder: string): Promise<void> => syncPath(folder)

/** Makes a small folder durable with all in it. Links need nothing of their own. */
export async function syncTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const inside = entries.filter((entry) => entry.isFile() || entry.isDirectory())
  await Promise.all([folder, ...inside.map(({ parentPath, name }) => join(parentPath, name))].map(syncPath))
}

/**
 * Replaces a file so that a crash at any instruction leaves the old or the new content, never a part: temporary file in
 * the same folder, fsync, rename, fsync of the folder. Never truncates in place (reference/reliability-security.md 4).
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  await replaceFile(path, content, { mode, durable: true })
  await syncFolder(dirname(path))
}

/**
 * Replaces a file so that nobody reads a part of it. A loss of power may leave it cut or empty: only for what its readers
 * check, and can do without.
 */
export const writeFileCached = (path: string, content: string | Uint8Array): Promise<void> =>
  replaceFile(path, content, { mode: 0o644, durable: false })

async function replaceFile(
  path: string,
  content: string | Uint8Array,
  { mode, durable }: { readonly mode: number; readonly durable: boolean },
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    const handle = await open(temporary, 'wx', mode)
    try {
      await handle.writeFile(content)
      if (durable) await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (failed) {
    await rm(temporary, { force: true })
    throw failed
  }
}

/** How often a parent may go between two of our calls: somebody else tidies there. */
const RACES = 5

/**
 * Makes a folder and its missing parents, each durable in its parent. Step by step: Node's own recursive mkdir tries for ever
 * where a file system makes no folders (/proc). Rejects with the system's error.
 */
export async function makeFolder(path: string, mode = 0o755): Promise<void> {
  for (let race = 1; ; race++) {
    try {
      return await makeMissing(path, mode)
    } catch (failed) {
      if ((failed as NodeJS.ErrnoException).code !== 'ENOENT' || race === RACES) throw failed
    }
  }
}

async function makeMissing(path: string, mode: number): Promise<void> {
  const missing: string[] = []
  for (let at = path; !(await isFolder(at)); at = dirname(at)) missing.unshift(at)
  for (const folder of missing) {
    await mkdir(folder, { mode }).catch(async (failed: NodeJS.ErrnoException) => {
      if (failed.code !== 'EEXIST' || !(await isFolder(folder))) throw failed
    })
    await syncFolder(dirname(folder))
  }
}

/** false: nothing is there. Rejects with EEXIST where something else is. */
async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true
  } catch (failed) {
    if ((failed as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw failed
  }
  throw Object.assign(new Error(`EEXIST: ${path} is there and no folder`), { code: 'EEXIST', path })
}
