import { DeployError } from '../../model/failure.ts'
import type { FileEntry, Files } from '../image/file-entry.ts'
import { joinPath } from '../image/file-tree.ts'
import { type Ignore, readIgnore } from './ignore.ts'

/** A folder of other files, less what is ignored in it. */
export class FolderFiles implements Files {
  readonly #all: Files
  readonly #base: string
  readonly #ignore: Ignore
  readonly #seen = new Map<string, FileEntry | null>()

  /** `base`: the folder that is the root of these files; a real path. */
  constructor(all: Files, base: string, ignore: Ignore = readIgnore(null)) {
    this.#all = all
    this.#base = base
    this.#ignore = ignore
  }

  at(path: string): FileEntry | null {
    const seen = this.#seen.get(path)
    if (seen !== undefined) return seen
    const entry = this.#look(path)
    this.#seen.set(path, entry)
    return entry
  }

  names(path: string): readonly string[] {
    return this.#all.names(this.#real(path)).filter((name) => this.at(joinPath(path, name)) !== null)
  }

  #real(path: string): string {
    return path === '' ? this.#base : joinPath(this.#base, path)
  }

  #look(path: string): FileEntry | null {
    const entry = this.#all.at(this.#real(path))
    if (entry === null) return null
    if (path !== '' && this.#ignore.ignores(path) && !this.#comesBack(path, entry)) return null
    if (path.includes('\uFFFD')) throw notUtf8(path)
    return entry
  }

  #comesBack(path: string, { type }: FileEntry): boolean {
    return type === 'directory' && this.#ignore.exceptions && this.names(path).length > 0
  }
}

function notUtf8(path: string): DeployError {
  return new DeployError('BUILD_SOURCE_INVALID', `the name ${JSON.stringify(path)} is not UTF-8`, {
    hint: 'Rename the file, or leave it out by .dockerignore.',
  })
}
