import type { FileEntry, Files, NamedEntry } from './file-entry.ts'
import { EARLIEST } from './file-time.ts'

export const FOLDER: FileEntry = { type: 'directory', uid: 0, gid: 0, mode: 0o755, mtime: EARLIEST }

export const parentOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf('/'), 0))
export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
export const joinPath = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`)

/** Whether a name in a layer means that something is gone (OCI image-spec layer.md, "Whiteouts"). */
export const isWhiteout = (path: string): boolean => path.includes('.wh.') && nameOf(path).startsWith('.wh.')

/** The file system of a stage, in memory: what is where, and where its content can be read. */
export class FileTree implements Files {
  readonly mayLink = true
  readonly #entries: Map<string, FileEntry>
  readonly #names: Map<string, Set<string>>

  constructor(from?: FileTree) {
    this.#entries = new Map(from?.entriesByPath)
    this.#names = new Map([...(from?.namesByFolder ?? [])].map(([folder, names]) => [folder, new Set(names)]))
  }

  get entriesByPath(): ReadonlyMap<string, FileEntry> {
    return this.#entries
  }

  get namesByFolder(): ReadonlyMap<string, ReadonlySet<string>> {
    return this.#names
  }

  at(path: string): FileEntry | null {
    return path === '' ? FOLDER : (this.#entries.get(path) ?? null)
  }

  names(path: string): readonly string[] {
    return [...(this.#names.get(path) ?? [])].sort()
  }

  entries(path: string): readonly NamedEntry[] {
    const found: NamedEntry[] = []
    for (const name of this.names(path)) {
      const entry = this.#entries.get(joinPath(path, name))
      if (entry !== undefined) found.push({ name, entry })
    }
    return found
  }

  /** Puts an entry, with missing parents as plain folders. What stood there goes, except what is in a folder that stays one. */
  set(path: string, entry: FileEntry): void {
    const before = this.#entries.get(path)
    if (before?.type === 'directory' && entry.type !== 'directory') this.remove(path)
    this.#entries.set(path, entry)
    const folder = parentOf(path)
    const names = this.#names.get(folder)
    // A folder with names in it is there.
    if (names !== undefined && names.size > 0) {
      names.add(nameOf(path))
      return
    }
    this.#names.set(folder, new Set([nameOf(path)]))
    if (folder !== '' && !this.#entries.has(folder)) this.set(folder, FOLDER)
  }

  /** Removes a path with all that is in it. */
  remove(path: string): void {
    this.clear(path)
    this.#entries.delete(path)
    this.#names.get(parentOf(path))?.delete(nameOf(path))
  }

  /** Removes all that is in a folder. */
  clear(path: string): void {
    for (const name of this.#names.get(path) ?? []) this.remove(joinPath(path, name))
    this.#names.delete(path)
  }
}
