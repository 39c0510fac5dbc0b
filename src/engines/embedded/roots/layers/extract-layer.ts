import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { invalidLayer } from './invalid-layer.ts'
import { Folder } from './folder.ts'
import { FolderWalk } from './folder-walk.ts'
import { FolderSettings } from './folder-settings.ts'
import type { LayerLimits } from './layer-limits.ts'
import { removeEntry } from './remove-tree.ts'
import type { TarEntry } from './tar-reader.ts'
import { splitTarPath } from './tar-path.ts'

export interface ExtractOptions {
  /** Keep owners and set-id bits: only root can, and only namespaces make set-id harmless for the machine. */
  readonly owners: boolean
  readonly limits: LayerLimits
  readonly signal: AbortSignal
}

/** What a layer deletes in the ones below it (OCI image-spec layer.md, "Whiteouts"); paths without a leading slash. */
export interface Extracted {
  readonly bytes: number
  readonly entries: number
  /** Whether all files have reached the disk; of many files, the whole file system is synced at once by the caller. */
  readonly synced: boolean
  readonly whiteouts: readonly string[]
  /** Folders of which nothing below is seen; '' is the root. */
  readonly opaque: readonly string[]
  /** Folders without an entry of their own: a layer below says what they are. */
  readonly implicit: readonly string[]
}

/** One sync of the file system takes as long as some 50 to 100 of single files. */
const FILES_SYNCED_ONE_BY_ONE = 64

const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = constants

/** Writes a layer's entries below an empty folder, never outside of it. Throws IMAGE_INVALID, or what a write throws. */
export async function extractLayer(
  entries: AsyncIterable<TarEntry>,
  path: string,
  options: ExtractOptions,
): Promise<Extracted> {
  const root = Folder.open(path)
  const extraction = new Extraction(root, options)
  try {
    for await (const entry of entries) {
      options.signal.throwIfAborted()
      await extraction.place(entry)
    }
    return extraction.end()
  } finally {
    extraction.close()
    root.close()
  }
}

class Extraction {
  readonly #root: Folder
  readonly #options: ExtractOptions
  readonly #walk: FolderWalk
  readonly #folders = new FolderSettings()
  readonly #whiteouts = new Set<string>()
  readonly #opaque = new Set<string>()
  #bytes = 0
  #entries = 0
  #files = 0

  constructor(root: Folder, options: ExtractOptions) {
    this.#root = root
    this.#options = options
    this.#walk = new FolderWalk(root)
  }

  async place(entry: TarEntry): Promise<void> {
    const { limits } = this.#options
    if (++this.#entries > limits.entries) throw invalidLayer(`it has more than ${limits.entries} entries`)
    const parts = splitTarPath(entry.path, limits.depth)
    const name = parts.at(-1)
    if (name === undefined) return this.#placeRoot(entry)
    if (name.startsWith('.wh.')) return this.#whiteout(parts.slice(0, -1), name)
    const parent = this.#walk.enter(parts.slice(0, -1))
    const there = parent.look(name)
    const staysFolder = entry.kind === 'directory' && there?.isDirectory() === true
    if (there !== null && !staysFolder) this.#replace(parts, parent, name, entry)
    if (entry.kind === 'directory') this.#placeFolder(parts, parent, name, entry, there === null || !staysFolder)
    else if (entry.kind === 'file') await this.#placeFile(parent, name, entry)
    else if (entry.kind === 'symlink') this.#placeSymlink(parent, name, entry)
    else this.#placeHardLink(parts, parent, name, entry)
  }

  end(): Extracted {
    this.#walk.close()
    this.#folders.apply(this.#root, this.#options.owners)
    const implicit = ['', ...this.#walk.made].filter((folder) => !this.#folders.has(folder))
    const [whiteouts, opaque] = [[...this.#whiteouts], [...this.#opaque]]
    return {
      bytes: this.#bytes,
      entries: this.#entries,
      synced: this.#files <= FILES_SYNCED_ONE_BY_ONE,
      whiteouts,
      opaque,
      implicit,
    }
  }

  close(): void {
    this.#walk.close()
  }

  /** A later entry of the same name wins. What was there goes; open folders below it are forgotten. */
  #replace(parts: readonly string[], parent: Folder, name: string, entry: TarEntry): void {
    if (entry.kind === 'hardlink' && samePath(splitTarPath(entry.link, this.#options.limits.depth), parts))
      throw invalidLayer(`${quote(entry.path)} is a hard link to itself`)
    this.#walk.forget(parts)
    removeEntry(parent, name)
  }

  #placeRoot(entry: TarEntry): void {
    if (entry.kind !== 'directory') throw invalidLayer(`${quote(entry.path)} is no name for a file`)
    this.#folders.remember([], entry)
  }

  #placeFolder(parts: readonly string[], parent: Folder, name: string, entry: TarEntry, make: boolean): void {
    if (make) mkdirSync(parent.at(name), 0o700)
    this.#folders.remember(parts, entry)
  }

  async #placeFile(parent: Folder, name: string, entry: TarEntry): Promise<void> {
    const fd = openSync(parent.at(name), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600)
    try {
      for await (const chunk of entry.content()) {
        for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at)
        this.#bytes += chunk.length
      }
      // The owner first: a change of owner clears the set-id bits.
      if (this.#options.owners) fchownSync(fd, entry.uid, entry.gid)
      fchmodSync(fd, this.#options.owners ? entry.mode : entry.mode & 0o777)
      futimesSync(fd, entry.mtime, entry.mtime)
      if (++this.#files <= FILES_SYNCED_ONE_BY_ONE) fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  }

  /** A link is data to us: its target may say anything, and is never followed. */
  #placeSymlink(parent: Folder, name: string, entry: TarEntry): void {
    if (entry.link === '' || entry.link.length > 4095) throw invalidLayer(`${quote(entry.path)} is a link to nowhere`)
    symlinkSync(entry.link, parent.at(name))
    if (this.#options.owners) lchownSync(parent.at(name), entry.uid, entry.gid)
    lutimesSync(parent.at(name), entry.mtime, entry.mtime)
  }

  /** Only to what this layer has placed: the way to it is walked without following links, and its end is no folder. */
  #placeHardLink(parts: readonly string[], parent: Folder, name: string, entry: TarEntry): void {
    const target = splitTarPath(entry.link, this.#options.limits.depth)
    const last = target.at(-1)
    const from = last === undefined || samePath(target, parts) ? null : this.#root.find(target.slice(0, -1))
    try {
      const found = last === undefined ? null : (from?.look(last) ?? null)
      if (from === null || last === undefined || found === null || !(found.isFile() || found.isSymbolicLink()))
        throw invalidLayer(`${quote(entry.path)} is a hard link to ${quote(entry.link)}, which it does not hold`)
      linkSync(from.at(last), parent.at(name))
    } finally {
      from?.close()
    }
  }

  #whiteout(folder: readonly string[], name: string): void {
    if (name === '.wh..wh..opq') this.#opaque.add(folder.join('/'))
    // Other names of this kind are aufs' own bookkeeping.
    else if (!name.startsWith('.wh..wh.')) {
      const gone = name.slice('.wh.'.length)
      if (gone === '' || gone === '.' || gone === '..') throw invalidLayer(`${quote(name)} deletes nothing`)
      this.#whiteouts.add([...folder, gone].join('/'))
    }
  }
}

const samePath = (a: readonly string[], b: readonly string[]) => a.join('/') === b.join('/')
const quote = (name: string) => JSON.stringify(name.slice(0, 200))
