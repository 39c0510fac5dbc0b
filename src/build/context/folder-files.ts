import { DeployError } from '../../model/failure.ts'
import type { FileEntry, Files, NamedEntry } from '../image/file-entry.ts'
import { joinPath } from '../image/file-tree.ts'
import { type Ignore, readIgnore } from './ignore.ts'

/** A folder of a context, less what is ignored in it. */
export class FolderFiles implements Files {
  readonly mayLink = false
  readonly #all: Files
  readonly #base: string
  readonly #ignore: Ignore
  /** Folders that are left out, and whether something in them is brought back. */
  readonly #back = new Map<string, boolean>()

  /** `base`: the folder that is the root of these files; a real path. */
  constructor(all: Files, base: string, ignore: Ignore = readIgnore(null)) {
    this.#all = all
    this.#base = base
    this.#ignore = ignore
  }

  at(path: string): FileEntry | null {
    const entry = this.#all.at(this.#real(path))
    return entry === null ? null : this.#keep(path, entry)
  }

  names(path: string): readonly string[] {
    return this.entries(path).map(({ name }) => name)
  }

  entries(path: string): readonly NamedEntry[] {
    const all = this.#all.entries(this.#real(path))
    return all.filter(({ name, entry }) => this.#keep(joinPath(path, name), entry) !== null)
  }

  #real(path: string): string {
    return path === '' ? this.#base : joinPath(this.#base, path)
  }

  #keep(path: string, entry: FileEntry): FileEntry | null {
    if (path !== '' && this.#ignore.ignores(path) && !this.#comesBack(path, entry)) return null
    if (path.includes('\uFFFD')) throw notUtf8(path)
    return entry
  }

  #comesBack(path: string, { type }: FileEntry): boolean {
    if (type !== 'directory' || !this.#ignore.exceptions) return false
    const known = this.#back.get(path)
    if (known !== undefined) return known
    const comesBack = this.entries(path).length > 0
    this.#back.set(path, comesBack)
    return comesBack
  }
}

function notUtf8(path: string): DeployError {
  return new DeployError('BUILD_SOURCE_INVALID', `the name ${JSON.stringify(path)} is not UTF-8`, {
    hint: 'Rename the file, or leave it out by .dockerignore.',
  })
}
