import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, type Stats } from 'node:fs'
import { nameOf, parentOf } from '../image/file-tree.ts'

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants

/**
 * A folder held open, and everything beneath it, never anything else: each part of a path is opened on its own with
 * O_NOFOLLOW through the descriptor of its parent, so that a link put there meanwhile is not followed (A4, A6; Node has no
 * openat2). All paths are real ones: no links, no `..`.
 */
export class Beneath {
  readonly #root: number
  /** The folder that was used last stays open: files are asked for in order. */
  #held: { readonly path: string; readonly fd: number } | null = null

  constructor(folder: string) {
    this.#root = openSync(folder, O_RDONLY | O_DIRECTORY)
  }

  /** What is there, links not followed; null: nothing, or a part of the path is no folder. */
  stat(path: string): Stats | null {
    // No file has such a name, and Node throws for it.
    if (path.includes('\0')) return null
    return missing(() => (path === '' ? fstatSync(this.#root) : lstatSync(this.#through(path))))
  }

  names(path: string): readonly string[] {
    return readdirSync(`/proc/self/fd/${this.#folder(path)}`).sort()
  }

  readLink(path: string): string {
    return readlinkSync(this.#through(path))
  }

  /** A new descriptor of a file; the caller closes it. Throws ELOOP when it is a link by now. */
  open(path: string): number {
    return openSync(this.#through(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  }

  close(): void {
    this.#release()
    closeSync(this.#root)
  }

  #through(path: string): string {
    return `/proc/self/fd/${this.#folder(parentOf(path))}/${nameOf(path)}`
  }

  #folder(path: string): number {
    if (path === '') return this.#root
    if (this.#held?.path === path) return this.#held.fd
    const held = this.#held !== null && path.startsWith(`${this.#held.path}/`) ? this.#held : null
    let fd = held?.fd ?? this.#root
    for (const part of path.slice(held === null ? 0 : held.path.length + 1).split('/')) {
      const next = this.#step(fd, part, held?.fd)
      fd = next
    }
    this.#release()
    this.#held = { path, fd }
    return fd
  }

  /** Opens one part; its parent is closed unless something else holds it. */
  #step(parent: number, part: string, held: number | undefined): number {
    try {
      return openSync(`/proc/self/fd/${parent}/${part}`, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    } finally {
      if (parent !== this.#root && parent !== held) closeSync(parent)
    }
  }

  #release(): void {
    if (this.#held !== null) closeSync(this.#held.fd)
    this.#held = null
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
