import { constants } from 'node:fs'
import {
  chmod,
  chown,
  copyFile,
  lchown,
  link,
  lstat,
  lutimes,
  mkdir,
  readdir,
  readlink,
  symlink,
  utimes,
} from 'node:fs/promises'
import type { Stats } from 'node:fs'
import { join } from 'node:path'
import { Folder } from './folder.ts'
import { removeContent, removeEntry, removeTree } from './remove-tree.ts'

/** One layer to lay over what is there. */
export interface MergedLayer {
  readonly folder: string
  readonly whiteouts: readonly string[]
  readonly opaque: readonly string[]
  /** Folders that keep the mode and owner that a lower layer gave them. */
  readonly implicit: readonly string[]
}

export interface MergeOptions {
  /** `copy`: files of their own, for a replica that may write. `link`: hard links, for a folder that nobody writes to. */
  readonly files: 'copy' | 'link'
  readonly owners: boolean
  readonly signal: AbortSignal
}

/** Lays layers over one another into a folder, the lowest first, by the rules of OCI image-spec layer.md ("Applying Changesets"). */
export async function mergeLayers(layers: readonly MergedLayer[], into: string, options: MergeOptions): Promise<void> {
  for (const layer of layers) {
    for (const path of layer.opaque) clear(into, path)
    for (const path of layer.whiteouts) erase(into, path)
    const implicit = new Set(layer === layers[0] ? [] : layer.implicit)
    await copyFolder('', { ...options, from: layer.folder, to: into, implicit, linked: new Map() })
  }
}

interface Copying extends MergeOptions {
  readonly from: string
  readonly to: string
  readonly implicit: ReadonlySet<string>
  /** First copy of each file that has several names: device and inode → path. */
  readonly linked: Map<string, string>
}

/** `path`: below both roots; the folder is there already in the target, as `before` says. */
async function copyFolder(path: string, copying: Copying, before: Stats | null = null): Promise<void> {
  copying.signal.throwIfAborted()
  const [from, to] = [join(copying.from, path), join(copying.to, path)]
  const files: (() => Promise<void>)[] = []
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const inner = path === '' ? entry.name : `${path}/${entry.name}`
    if (entry.isDirectory()) await copySubfolder(inner, copying)
    else files.push(() => copyOne(join(from, entry.name), join(to, entry.name), copying))
  }
  while (files.length > 0) await Promise.all(files.splice(0, 16).map((copy) => copy()))
  const kept = copying.implicit.has(path) && (path === '' || before !== null)
  if (!kept) await settle(to, await lstat(from), copying)
  else if (before !== null) await settle(to, before, copying)
}

async function copySubfolder(path: string, copying: Copying): Promise<void> {
  const target = join(copying.to, path)
  const there = await lstat(target).catch(missing)
  const folder = there?.isDirectory() === true ? there : null
  if (there !== null && folder === null) removeTree(target)
  if (folder === null) await mkdir(target, 0o700)
  // A folder of a lower layer may forbid what an ordinary user must do here; its own mode comes at the end.
  else await chmod(target, 0o700)
  await copyFolder(path, copying, folder)
}

async function copyOne(source: string, target: string, copying: Copying): Promise<void> {
  if ((await lstat(target).catch(missing)) !== null) removeTree(target)
  if (copying.files === 'link') return link(source, target)
  const stats = await lstat(source)
  if (stats.isSymbolicLink()) {
    await symlink(await readlink(source), target)
    if (copying.owners) await lchown(target, stats.uid, stats.gid)
    return lutimes(target, stats.atimeMs / 1000, stats.mtimeMs / 1000)
  }
  // A device node of /dev: another name for the same one (layers have none, it is the base's).
  if (!stats.isFile()) return link(source, target)
  const key = `${stats.dev}:${stats.ino}`
  const first = stats.nlink > 1 ? copying.linked.get(key) : undefined
  if (first !== undefined) return link(first, target)
  // One that is under way is not linked to: two names copied at the same moment become two files, which is only less sharing.
  await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  await settle(target, stats, copying)
  if (stats.nlink > 1) copying.linked.set(key, target)
}

async function settle(path: string, stats: Stats, { owners }: Copying): Promise<void> {
  if (owners) await chown(path, stats.uid, stats.gid)
  await chmod(path, stats.mode & 0o7777)
  await utimes(path, stats.atimeMs / 1000, stats.mtimeMs / 1000)
}

const missing = (failed: NodeJS.ErrnoException): null => {
  if (failed.code === 'ENOENT') return null
  throw failed
}

/** Empties the folder at `path` below `root`, where there is one; links on the way are not followed. */
function clear(root: string, path: string): void {
  within(root, path.split('/'), removeContent)
}

function erase(root: string, path: string): void {
  const parts = path.split('/')
  within(root, parts.slice(0, -1), (folder) => removeEntry(folder, parts.at(-1) ?? ''))
}

function within(root: string, parts: readonly string[], change: (folder: Folder) => void): void {
  const top = Folder.open(root)
  const folder = top.find(parts.filter((part) => part !== ''))
  top.close()
  if (folder === null) return
  try {
    change(folder)
  } finally {
    folder.close()
  }
}
