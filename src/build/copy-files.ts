import { DeployError } from '../model/failure.ts'
import { isPattern, matchPaths } from './context/match-paths.ts'
import { failureAt, formatPlace, type Place } from './dockerfile/place.ts'
import type { Added, FileEntry, Files } from './image/file-entry.ts'
import { EARLIEST } from './image/file-time.ts'
import { type FileTree, joinPath, nameOf, parentOf } from './image/file-tree.ts'
import { resolvePath } from './image/resolve-path.ts'
import type { Owner } from './owner.ts'

/** One COPY or ADD, words expanded. */
export interface Copy {
  readonly place: Place
  readonly from: { readonly files: Files; readonly name: string }
  readonly sources: readonly string[]
  /** Files that stand in the Dockerfile itself. */
  readonly texts: readonly { readonly name: string; readonly entry: FileEntry }[]
  /** Absolute; a slash at its end means a folder. */
  readonly destination: string
  /** null: the source's own. */
  readonly owner: Owner | null
  readonly mode: number | null
}

/**
 * Copies into the tree of a stage by BuildKit's rules and answers what was added: a folder's content, not the folder; into
 * a destination that is a folder under the file's own name; missing parents are made; links in the destination's path are
 * followed inside the image, links in a copied folder stay links. Throws BUILD_COPY_SOURCE_MISSING, BUILD_PATH_ESCAPES,
 * BUILD_SOURCE_INVALID.
 */
export function copyFiles(copy: Copy, tree: FileTree): Added {
  const added: Added = new Map()
  const found = copy.sources.flatMap((source) => findSources(copy, source))
  const to = realDestination(copy, tree)
  const many = found.length + copy.texts.length > 1
  const isFolder = /(^|\/)\.?$/.test(copy.destination) || tree.at(to)?.type === 'directory'
  if (many && !isFolder) {
    const hint = 'Write a slash at its end: then it is a folder.'
    throw failureAt(
      'BUILD_SOURCE_INVALID',
      copy.place,
      `several files go to ${copy.destination}, which is one file`,
      hint,
    )
  }
  const put = (path: string, entry: FileEntry) => putEntry({ copy, tree, added }, path, entry)
  for (const { name, entry } of copy.texts) put(isFolder ? joinPath(to, name) : to, entry)
  for (const source of found) {
    const entry = copy.from.files.at(source.path)
    if (entry?.type === 'directory') copyFolder(copy, source.path, { tree, added, to })
    else if (entry !== null) put(isFolder ? joinPath(to, source.name) : to, entry)
  }
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

function copyFolder(copy: Copy, from: string, into: { tree: FileTree; added: Added; to: string }): void {
  const target: Target = { copy, tree: into.tree, added: into.added }
  const { files } = copy.from
  const walk = (source: string, to: string) => {
    const entry = files.at(source)
    if (entry === null) return
    putEntry(target, to, entry)
    if (entry.type !== 'directory') return
    for (const name of files.names(source)) walk(joinPath(source, name), joinPath(to, name))
  }
  walk(from, into.to)
}

/** Puts one entry with its missing parents. A folder that is there stays as it is. */
function putEntry({ copy, tree, added }: Target, path: string, entry: FileEntry): void {
  const { owner, mode, place } = copy
  if (entry.type === 'special') throw invalid(place, `${path} is a device, pipe or socket`)
  const there = tree.at(path)
  if (entry.type === 'directory' && there?.type === 'directory') return
  if (there !== null && (entry.type === 'directory') !== (there.type === 'directory')) {
    const message =
      entry.type === 'directory' ? `/${path} is no folder in the image` : `/${path} is a folder in the image`
    throw invalid(place, `${message}, and the source is${entry.type === 'directory' ? '' : ' no'} one`)
  }
  makeParents({ tree, added, place }, path, owner)
  const settled = {
    ...entry,
    ...(owner === null ? {} : { uid: owner.uid, gid: owner.gid }),
    ...(mode === null || entry.type === 'symlink' ? {} : { mode }),
  }
  tree.set(path, settled)
  added.set(path, settled)
}

/** Makes the missing folders above a path. */
export function makeParents({ tree, added, place }: Grown, path: string, owner: Owner | null): void {
  const folder = parentOf(path)
  const there = tree.at(folder)
  if (there?.type === 'directory') return
  if (there !== null) throw invalid(place, `/${folder} is no folder in the image`)
  makeParents({ tree, added, place }, folder, owner)
  const ids = { uid: owner?.uid ?? 0, gid: owner?.gid ?? 0 }
  const entry: FileEntry = { type: 'directory', ...ids, mode: 0o755, mtime: EARLIEST }
  tree.set(folder, entry)
  added.set(folder, entry)
}

/** A tree that an instruction adds to. */
export interface Grown {
  readonly tree: FileTree
  readonly added: Added
  readonly place: Place
}

export interface Found {
  /** The real path in the source's tree. */
  readonly path: string
  /** The name it gets in a folder: as written, before links were followed. */
  readonly name: string
}

/** The files that one source of a COPY means: itself, or what its pattern matches. */
export function findSources(copy: Copy, source: string): readonly Found[] {
  const clean = source.replace(/^\/+/, '')
  let depth = 0
  for (const part of clean.split('/')) {
    depth += part === '..' ? -1 : part === '' || part === '.' ? 0 : 1
    if (depth < 0) throw escapes(copy, source)
  }
  const paths = isPattern(clean) ? matched(copy, clean) : [clean]
  const found = paths.map((path) => findOne(copy, path))
  if (found.length > 0) return found
  throw sourceMissing(copy, source, 'matches nothing')
}

function matched(copy: Copy, pattern: string): readonly string[] {
  try {
    return matchPaths(copy.from.files, pattern)
  } catch (failed) {
    if (failed instanceof SyntaxError) throw invalid(copy.place, `${pattern} is no pattern`)
    throw failed
  }
}

function findOne(copy: Copy, path: string): Found {
  const real = resolvePath(copy.from.files, path)
  if (real === null) throw invalid(copy.place, `${path} is a loop of links`)
  if (real.escaped && copy.from.name === CONTEXT) throw escapes(copy, path)
  if (copy.from.files.at(real.path) === null) throw sourceMissing(copy, path, 'is not there')
  return { path: real.path, name: nameOf(path.replace(/\/+$/, '')) }
}

/** How messages name the build context among the sources of a COPY. */
export const CONTEXT = 'the build context'

function escapes(copy: Copy, source: string): DeployError {
  const hint = 'Only files below the build context can be copied; a larger context is set by build.context.'
  return failureAt('BUILD_PATH_ESCAPES', copy.place, `${source} leads out of ${copy.from.name}`, hint)
}

function sourceMissing({ place, from }: Copy, source: string, problem: string): DeployError {
  const hint =
    from.name === CONTEXT
      ? 'Only committed files are built: is it committed, and not left out by .dockerignore? Paths start at build.context.'
      : `Look at the COPY instructions of ${from.name}.`
  return new DeployError('BUILD_COPY_SOURCE_MISSING', `${formatPlace(place)}: ${source} ${problem} in ${from.name}`, {
    hint,
    detail: { file: place.file, line: place.line, column: place.column, source },
  })
}

function invalid(place: Place, message: string): DeployError {
  return failureAt('BUILD_SOURCE_INVALID', place, message, 'Change the source or the destination of this instruction.')
}
