import { bytesContent } from '../image/content.ts'
import type { Added, FileEntry, Files } from '../image/file-entry.ts'
import { EARLIEST } from '../image/file-time.ts'
import { FOLDER, parentOf } from '../image/file-tree.ts'

const FILE: FileEntry = {
  type: 'file',
  uid: 0,
  gid: 0,
  mode: 0o644,
  mtime: EARLIEST,
  content: bytesContent(new Uint8Array()),
}
/** What every sandbox mounts. */
const ALWAYS = [
  ['proc', 'folder'],
  ['sys', 'folder'],
  ['dev', 'folder'],
] as const

/**
 * What the image lacks to mount something at these paths: a folder over its layers, so that mount points are in no layer.
 * Folders on the way are as the image has them, since an overlay shows the topmost.
 */
export function mountPoints(wanted: readonly (readonly [string, 'file' | 'folder'])[], tree: Files): Added {
  const added: Added = new Map()
  for (const [path, kind] of [...ALWAYS, ...wanted]) {
    if (tree.at(path) !== null) continue
    added.set(path, kind === 'file' ? FILE : FOLDER)
    for (let folder = parentOf(path); folder !== ''; folder = parentOf(folder)) {
      added.set(folder, tree.at(folder) ?? FOLDER)
    }
  }
  return added
}
