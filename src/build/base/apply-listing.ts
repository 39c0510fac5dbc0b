import type { FileEntry } from '../image/file-entry.ts'
import { type FileTree, joinPath, nameOf, parentOf } from '../image/file-tree.ts'
import { LayerContent } from './layer-content.ts'
import type { Listed } from './layer-listing.ts'
import type { LayerSource } from './read-layer.ts'
import { resolvePath } from '../image/resolve-path.ts'

const WHITEOUT = '.wh.'
const OPAQUE = '.wh..wh..opq'

/** Lays a layer over a tree by the rules of the image specification (layer.md): whiteouts mean what was below, then come the entries. */
export function applyListing(tree: FileTree, listing: readonly Listed[], source: LayerSource): void {
  const isWhiteout = ({ p }: Listed) => nameOf(p).startsWith(WHITEOUT)
  for (const { p } of listing.filter(isWhiteout)) {
    const folder = realFolder(tree, p)
    if (nameOf(p) === OPAQUE) tree.clear(folder)
    else tree.remove(joinPath(folder, nameOf(p).slice(WHITEOUT.length)))
  }
  for (const listed of listing) {
    if (isWhiteout(listed)) continue
    const entry = entryOf(tree, listed, source)
    if (entry !== null) tree.set(joinPath(realFolder(tree, listed.p), nameOf(listed.p)), entry)
  }
}

/** The folder that holds a path, links followed inside the image: `lib/x` in a layer is `usr/lib/x` where lib is a link. */
const realFolder = (tree: FileTree, path: string): string => resolvePath(tree, parentOf(path))?.path ?? parentOf(path)

function entryOf(tree: FileTree, listed: Listed, source: LayerSource): FileEntry | null {
  const owned = { uid: listed.u, gid: listed.g, mode: listed.m, mtime: Math.max(listed.at, 0) }
  switch (listed.t) {
    case 'f':
      return { ...owned, type: 'file', content: new LayerContent(source, listed.p, listed.s) }
    case 'd':
      return { ...owned, type: 'directory' }
    case 's':
      return { ...owned, type: 'symlink', target: listed.l ?? '' }
    case 'h':
      return tree.at(joinPath(realFolder(tree, listed.l ?? ''), nameOf(listed.l ?? '')))
    case 'o':
      return { ...owned, type: 'special' }
  }
}
