import type { Archive } from '../add/archives.ts'
import { extractArchive } from '../add/extract-archive.ts'
import type { Ignore } from '../context/ignore.ts'
import { failureAt, type Place } from '../dockerfile/place.ts'
import type { Added, FileEntry } from '../image/file-entry.ts'
import { EARLIEST } from '../image/file-time.ts'
import { type FileTree, isWhiteout, joinPath, parentOf } from '../image/file-tree.ts'
import { resolvePath } from '../image/resolve-path.ts'
import { type CopySource, type Found, findSources, invalid } from './find-sources.ts'
import type { Mode } from './mode.ts'
import type { Owner } from './owner.ts'
import { withParents } from './with-parents.ts'

/** One COPY or ADD, words expanded. */
export interface Copy {
  readonly place: Place
  readonly sources: readonly CopySource[]
  /** Files that stand in the Dockerfile itself. */
  readonly texts: readonly { readonly name: string; readonly entry: FileEntry }[]
  /** Absolute; a slash at its end means a folder. */
  readonly destination: string
  /** null: the source's own. */
  readonly owner: Owner | null
  readonly mode: Mode | null
  /** What is left out inside a folder that is copied (`--exclude`). */
  readonly excluded: Ignore
  /** Keep the folders that lead to each source (`--parents`). */
  readonly parents: boolean
  /** What ADD unpacks, by where it was found. */
  readonly archiveOf: (found: Found) => Archive | null
}

/**
 * Copies into the tree of a stage by BuildKit's rules and answers what was added: a folder's content, not the folder; into
 * a destination that is a folder under the file's own name; missing parents are made; links in the destination's path are
 * followed inside the image, links in a copied folder stay links, names of one file stay names of one file. Throws
 * BUILD_COPY_SOURCE_MISSING, BUILD_PATH_ESCAPES, BUILD_SOURCE_INVALID.
 */
export function copyFiles(copy: Copy, tree: FileTree): Added {
  const added: Added = new Map()
  const { place, parents, texts } = copy
  const target: Target = { copy, tree, added }
  const found = parents ? [] : copy.sources.flatMap((source) => findSources(source, place))
  const to = realDestination(copy, tree)
  const many = found.length + texts.length > 1
  const isFolder = parents || /(^|\/)\.?$/.test(copy.destination) || tree.at(to)?.type === 'directory'
  if (many && !isFolder) {
    const hint = 'Write a slash at its end: then it is a folder.'
    throw failureAt('BUILD_SOURCE_INVALID', place, `several files go to ${copy.destination}, which is one file`, hint)
  }
  if (parents) copyWithParents(target, to)
  for (const source of found) copyFound(target, source, { to, isFolder })
  for (const { name, entry } of texts) putEntry(target, isFolder ? joinPath(to, name) : to, entry)
  return added
}

/** The destination with the links of the image followed. */
function realDestination({ destination, place }: Copy, tree: FileTree): string {
  if (destination.includes('\0')) throw invalid(place, 'the destination has a NUL in it')
  const real = resolvePath(tree, destination)
  if (real === null) throw invalid(place, `${destination} is a loop of links in the image`)
  return real.path
}

interface Target {
  readonly copy: Copy
  readonly tree: FileTree
  readonly added: Added
}

function copyFound(target: Target, found: Found, { to, isFolder }: { to: string; isFolder: boolean }): void {
  const { copy, tree, added } = target
  const entry = found.files.at(found.path)
  if (entry === null) return
  const archive = copy.archiveOf(found)
  if (archive !== null) {
    makeFolders({ tree, added, place: copy.place, owner: copy.owner, mode: 0o755 }, to)
    extractArchive(archive, { place: copy.place, name: found.path, tree, added, to, owner: copy.owner })
  } else if (entry.type === 'directory') copyFolder(target, found, to)
  else putEntry(target, isFolder ? joinPath(to, found.name) : to, entry)
}

function copyFolder(target: Target, { files, path: from }: Found, into: string): void {
  const { excluded } = target.copy
  const copied: Copied[] = []
  makeFolder(target, into)
  const walk = (inside: string) => {
    const source = inside === '' ? from : joinPath(from, inside)
    for (const { name, entry } of files.entries(source)) {
      const path = joinPath(inside, name)
      const isOut = excluded.ignores(path)
      if (!isOut) {
        putEntry(target, joinPath(into, path), entry)
        copied.push({ entry, path: joinPath(into, path) })
      }
      // What an exception brings back makes the folders that lead to it.
      if (entry.type === 'directory' && (!isOut || excluded.exceptions)) walk(path)
    }
  }
  walk('')
  if (files.mayLink) linkTogether(target, copied)
}

interface Copied {
  readonly entry: FileEntry
  readonly path: string
}

/** Names of one file are one and the same entry of a tree. In a layer the first of them holds the content. */
function linkTogether({ tree, added }: Target, copied: readonly Copied[]): void {
  for (const [{ type }, names] of Map.groupBy(copied, ({ entry }) => entry)) {
    const [holder = '', ...others] = names.map(({ path }) => path).sort()
    const entry = added.get(holder)
    if (type !== 'file' || entry?.type !== 'file') continue
    for (const path of others) {
      tree.set(path, entry)
      added.set(path, { ...entry, linkTo: holder })
    }
  }
}

function copyWithParents(target: Target, to: string): void {
  const { copy } = target
  if (copy.sources.length > 0) makeFolder(target, to)
  for (const source of copy.sources) {
    const { files } = source.from
    for (const { path, inside } of withParents(source, copy.place)) {
      const entry = files.at(path)
      if (entry !== null && !copy.excluded.ignores(inside)) putEntry(target, joinPath(to, inside), entry)
    }
  }
}

/** Puts one entry with its missing parents. A folder that is there keeps what is in it, and gets the source's owner and mode. */
function putEntry({ copy, tree, added }: Target, path: string, entry: FileEntry): void {
  const { owner, mode, place } = copy
  if (entry.type === 'special') throw invalid(place, `${path} is a device, pipe or socket`)
  if (isWhiteout(path)) throw invalid(place, `${path} would be taken for a deletion in a layer, by its name`)
  const there = tree.at(path)
  if (there !== null && (entry.type === 'directory') !== (there.type === 'directory')) {
    const message =
      entry.type === 'directory' ? `/${path} is no folder in the image` : `/${path} is a folder in the image`
    throw invalid(place, `${message}, and the source is${entry.type === 'directory' ? '' : ' no'} one`)
  }
  const settled = owner === null && mode === null ? entry : changed(entry, owner, mode)
  if (there?.type === 'directory' && isSameFolder(there, settled)) return
  const parent = parentOf(path)
  if (tree.at(parent)?.type !== 'directory') makeFolder({ copy, tree, added }, parent)
  tree.set(path, settled)
  added.set(path, settled)
}

const changed = (entry: FileEntry, owner: Owner | null, mode: Mode | null): FileEntry => ({
  ...entry,
  ...(owner === null ? {} : { uid: owner.uid, gid: owner.gid }),
  ...(mode === null || entry.type === 'symlink' ? {} : { mode: mode.change(entry.mode, entry.type === 'directory') }),
})

const isSameFolder = (one: FileEntry, other: FileEntry): boolean =>
  one.mode === other.mode && one.uid === other.uid && one.gid === other.gid

function makeFolder({ copy, tree, added }: Target, folder: string): void {
  const { place, owner, mode } = copy
  makeFolders({ tree, added, place, owner, mode: mode?.folders ?? 0o755 }, folder)
}

/** Makes a folder and those above it where they are missing. */
export function makeFolders(grown: Grown, folder: string): void {
  const { tree, added, place, owner, mode } = grown
  const there = tree.at(folder)
  if (there?.type === 'directory') return
  if (there !== null) throw invalid(place, `/${folder} is no folder in the image`)
  makeFolders(grown, parentOf(folder))
  const entry: FileEntry = { type: 'directory', uid: owner?.uid ?? 0, gid: owner?.gid ?? 0, mode, mtime: EARLIEST }
  tree.set(folder, entry)
  added.set(folder, entry)
}

/** A tree that an instruction adds to. */
export interface Grown {
  readonly tree: FileTree
  readonly added: Added
  readonly place: Place
  /** Of the folders that are made; null: root's. */
  readonly owner: Owner | null
  readonly mode: number
}
