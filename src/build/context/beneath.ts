import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  type Stats,
} from 'node:fs'
import { joinPath, nameOf, parentOf } from '../image/file-tree.ts'

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants
/** Folders deeper than this are rare: then the upper ones are opened again. */
const MOST_HELD = 32

/**
 * A folder held open, and everything beneath it, never anything else: each part of a path is opened on its own with
 * O_NOFOLLOW through the descriptor of its parent, so that a link put there meanwhile is not followed (A4, A6; Node has no
 * openat2). All paths are real ones: no links, no `..`.
 */
export class Beneath {
  readonly #root: number
  /** The folder that was used last and those above it stay open, each below the one before: files are asked for in order. */
  readonly #held: { readonly path: string; readonly fd: number }[] = []

  constructor(folder: string) {
    this.#root = openSync(folder, O_RDONLY | O_DIRECTORY)
  }

  /** What is there, links not followed; null: nothing, or a part of the path is no folder. */
  stat(path: string): Stats | null {
    // No file has such a name, and Node throws for it.
    if (path.includes('\0')) return null
    return missing(() => (path === '' ? fstatSync(this.#root) : lstatSync(this.#through(path))))
  }

  /** What is in a folder, sorted by name. */
  entries(path: string): readonly Dirent[] {
    const entries = readdirSync(`/proc/self/fd/${this.#folder(path)}`, { withFileTypes: true })
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  readLink(path: string): string {
    return readlinkSync(this.#through(path))
  }

  /** A new descriptor of a file; the caller closes it. Throws ELOOP when it is a link by now. */
  open(path: string): number {
    return openSync(this.#through(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  }

  close(): void {
    while (this.#held.length > 0) this.#closeFirst()
    closeSync(this.#root)
  }

  #through(path: string): string {
    return `/proc/self/fd/${this.#folder(parentOf(path))}/${nameOf(path)}`
  }

  #folder(path: string): number {
    let { path: at, fd } = this.#release(path)
    if (at === path) return fd
    for (const part of path.slice(at === '' ? 0 : at.length + 1).split('/')) {
      fd = openSync(`/proc/self/fd/${fd}/${part}`, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      at = joinPath(at, part)
      this.#held.push({ path: at, fd })
      if (this.#held.length > MOST_HELD) this.#closeFirst()
    }
    return fd
  }

  /** Closes what does not lead to a path; answers what leads farthest towards it. */
  #release(path: string): { readonly path: string; readonly fd: number } {
    for (let last = this.#held.at(-1); last !== undefined; last = this.#held.at(-1)) {
      if (path === last.path || path.startsWith(`${last.path}/`)) return last
      this.#held.pop()
      closeSync(last.fd)
    }
    return { path: '', fd: this.#root }
  }

  #closeFirst(): void {
    const first = this.#held.shift()
    if (first !== undefined) closeSync(first.fd)
  }
}

const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ELOOP'])

/** null for a path that is not there. */
function missing<Value>(look: () => Value): Value | null {
  try {
    return look()
  } catch (failed) {
    const { code } = failed as NodeJS.ErrnoException
    if (code !== undefined && ABSENT.has(code)) return null
    throw failed
  }
}
