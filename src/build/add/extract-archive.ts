import { failureAt, type Place } from '../dockerfile/place.ts'
import type { Added, FileEntry, Files } from '../image/file-entry.ts'
import { type FileTree, FOLDER, isWhiteout, joinPath, parentOf } from '../image/file-tree.ts'
import { resolvePath } from '../image/resolve-path.ts'
import type { Owner } from '../copy/owner.ts'
import { packedContent } from '../run/kept/packed-contents.ts'
import type { Archive, Packed } from './archives.ts'

/** Where an archive goes. */
export interface Extraction {
  readonly place: Place
  /** How messages name the archive. */
  readonly name: string
  readonly tree: FileTree
  readonly added: Added
  /** A real folder of the tree: for the archive it is the root, which no link leads out of. */
  readonly to: string
  /** null: as the archive says. */
  readonly owner: Owner | null
}

const MOST_PARTS = 256
const MOST_LENGTH = 4095

/**
 * Lays the entries of an archive over a tree in their order, as tar in a chroot would: links in paths are followed inside
 * the destination, a file replaces what was there, a folder that is there gets the archive's mode and owner. Nothing leads
 * out of the destination (A6). Throws BUILD_SOURCE_INVALID for devices, `..`, and hard links to nothing.
 */
export function extractArchive(archive: Archive, extraction: Extraction): void {
  const unpacking = new Unpacking(archive, extraction)
  for (const entry of archive.entries) unpacking.take(entry)
  unpacking.linkTogether()
}

class Unpacking {
  readonly #archive: Archive
  readonly #at: Extraction
  readonly #inside: Pick<Files, 'at'>
  /** All names of a file that has several, by each of them. */
  readonly #names = new Map<string, Set<string>>()

  constructor(archive: Archive, at: Extraction) {
    this.#archive = archive
    this.#at = at
    this.#inside = { at: (path) => at.tree.at(this.#outer(path)) }
  }

  take(entry: Packed): void {
    const parts = this.#parts(entry.name)
    const name = parts.pop()
    if (name === undefined) return
    if (isWhiteout(name)) throw this.#refused(`has ${entry.name}, which a layer takes for a deletion`)
    const folder = this.#folder(parts.join('/'), entry)
    const path = this.#outer(joinPath(folder, name))
    if (entry.type === 'link') this.#link(entry, path)
    else this.#put(path, this.#made(entry))
  }

  /** Of the names of one file the first in the layer's order holds the content. */
  linkTogether(): void {
    const { added } = this.#at
    for (const names of new Set(this.#names.values())) {
      const [first, ...others] = [...names].sort()
      if (first === undefined) continue
      for (const path of others) {
        const entry = added.get(path)
        if (entry?.type === 'file') added.set(path, { ...entry, linkTo: first })
      }
    }
  }

  #outer(path: string): string {
    return path === '' ? this.#at.to : joinPath(this.#at.to, path)
  }

  #parts(name: string): string[] {
    const parts: string[] = []
    for (const part of name.split('/')) {
      if (part === '' || part === '.') continue
      if (part !== '..') parts.push(part)
      else if (parts.pop() === undefined) throw this.#refused(`leads out of its folder by ${JSON.stringify(name)}`)
    }
    if (parts.length <= MOST_PARTS && name.length <= MOST_LENGTH) return parts
    throw this.#refused(`has a path of ${parts.length} folders and ${name.length} characters`)
  }

  /** The real folder of an entry, made when it is missing. */
  #folder(path: string, entry: Packed): string {
    const real = resolvePath(this.#inside, path)?.path
    if (real === undefined) throw this.#refused(`has ${entry.name} behind a loop of links`)
    const missing: string[] = []
    for (let folder = real; folder !== ''; folder = parentOf(folder)) {
      const there = this.#inside.at(folder)
      if (there?.type === 'directory') break
      if (there !== null) throw this.#refused(`has ${entry.name}, and /${this.#outer(folder)} is no folder`)
      missing.unshift(folder)
    }
    for (const folder of missing) this.#put(this.#outer(folder), FOLDER)
    return real
  }

  #owned(entry: Packed) {
    const { uid, gid } = this.#at.owner ?? entry
    const xattrs = Object.entries(entry.xattrs).filter(([name]) => isKept(name))
    const kept = xattrs.length === 0 ? {} : { xattrs: Object.fromEntries(xattrs) }
    return { uid, gid, mode: entry.mode, mtime: Math.max(entry.mtime, 0), ...kept }
  }

  #made(entry: Packed): FileEntry {
    const owned = this.#owned(entry)
    switch (entry.type) {
      case 'directory':
        return { ...owned, type: 'directory' }
      case 'symlink':
        return { ...owned, type: 'symlink', mode: 0o777, target: entry.link }
      case 'file':
        return {
          ...owned,
          type: 'file',
          content: packedContent(this.#archive.pack, entry.offset, entry.size, entry.id),
        }
      default:
        throw this.#refused(`has a ${entry.type === 'fifo' ? 'pipe' : 'device'}, ${entry.name}`)
    }
  }

  #link(entry: Packed, path: string): void {
    const parts = this.#parts(entry.link)
    const name = parts.pop() ?? ''
    const folder = resolvePath(this.#inside, parts.join('/'))?.path ?? ''
    const target = this.#outer(joinPath(folder, name))
    const there = this.#at.tree.at(target)
    if (there?.type !== 'file' || target === path) {
      throw this.#refused(`has a hard link ${entry.name} to ${entry.link}, which is no file`)
    }
    this.#forget(path)
    const names = this.#names.get(target) ?? new Set([target])
    this.#names.set(target, names).set(path, names.add(path))
    // Mode and owner are the file's, whichever name they came with; a file of the image below comes into this layer.
    for (const each of names) this.#set(each, { ...there, ...this.#owned(entry) })
  }

  #put(path: string, entry: FileEntry): void {
    const { tree, added } = this.#at
    if (tree.at(path)?.type === 'directory' && entry.type !== 'directory') {
      for (const inner of [...added.keys()]) if (inner.startsWith(`${path}/`)) this.#forget(inner)
    }
    this.#forget(path)
    this.#set(path, entry)
  }

  #set(path: string, entry: FileEntry): void {
    this.#at.tree.set(path, entry)
    this.#at.added.set(path, entry)
  }

  #forget(path: string): void {
    this.#at.added.delete(path)
    this.#names.get(path)?.delete(path)
    this.#names.delete(path)
  }

  #refused(problem: string) {
    const hint = 'Use an archive of plain files; or write ADD --unpack=false to copy it as it is.'
    return failureAt('BUILD_SOURCE_INVALID', this.#at.place, `the archive ${this.#at.name} ${problem}`, hint)
  }
}

/** Of extended attributes those that belong to a layer: capabilities and the user's own. */
const isKept = (name: string): boolean =>
  name === 'security.capability' || (name.startsWith('user.') && !name.startsWith('user.overlay.'))
