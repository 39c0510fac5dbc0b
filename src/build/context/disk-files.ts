import type { Stats } from 'node:fs'
import { DiskContent } from '../image/content.ts'
import type { FileEntry, Files, NamedEntry } from '../image/file-entry.ts'
import { EARLIEST } from '../image/file-time.ts'
import { FOLDER, joinPath } from '../image/file-tree.ts'
import type { Beneath } from './beneath.ts'

/** A folder of this machine as files of an image: everything belongs to root, and of the permissions only "executable" counts, as in git. */
export class DiskFiles implements Files {
  readonly mayLink = false
  readonly #beneath: Beneath
  readonly #seen = new Map<string, FileEntry | null>()

  constructor(beneath: Beneath) {
    this.#beneath = beneath
  }

  at(path: string): FileEntry | null {
    return this.#entry(path, () => this.#look(path, this.#beneath.stat(path)))
  }

  names(path: string): readonly string[] {
    return this.#beneath.entries(path).map((listed) => {
      // Nothing but its kind is asked of a folder, and the listing tells it.
      if (listed.isDirectory()) this.#entry(joinPath(path, listed.name), () => FOLDER)
      return listed.name
    })
  }

  entries(path: string): readonly NamedEntry[] {
    return this.names(path).flatMap((name) => {
      const entry = this.at(joinPath(path, name))
      return entry === null ? [] : { name, entry }
    })
  }

  #entry(path: string, look: () => FileEntry | null): FileEntry | null {
    const seen = this.#seen.get(path)
    if (seen !== undefined) return seen
    const entry = look()
    this.#seen.set(path, entry)
    return entry
  }

  #look(path: string, found: Stats | null): FileEntry | null {
    if (found === null) return null
    if (found.isDirectory()) return FOLDER
    const owner = { uid: 0, gid: 0, mtime: EARLIEST }
    if (found.isSymbolicLink()) return { ...owner, type: 'symlink', mode: 0o777, target: this.#beneath.readLink(path) }
    if (!found.isFile()) return { ...owner, type: 'special', mode: 0o644 }
    const content = new DiskContent(path, found.size, () => this.#beneath.open(path))
    return { ...owner, type: 'file', mode: (found.mode & 0o100) === 0 ? 0o644 : 0o755, mtime: 'content', content }
  }
}
