import type { Stats } from 'node:fs'

/** A file whose digest was found right is not hashed again for so long. Clients check what they get; scrubbing checks what nobody asks for. */
const HOLDS_MS = 3_600_000
/** The most files that are remembered; the oldest is forgotten first. */
const MOST = 20_000

interface Seen {
  readonly inode: number
  readonly size: number
  mtimeMs: number
  readonly untilMs: number
}

/** Which files were found right a short while ago: written by this process, or read to their end. */
export class CheckedFiles {
  readonly #seen = new Map<string, Seen>()

  remember(path: string, { ino, size, mtimeMs }: Stats, nowMs: number): void {
    this.#seen.delete(path)
    this.#seen.set(path, { inode: ino, size, mtimeMs, untilMs: nowMs + HOLDS_MS })
    const [oldest] = this.#seen.keys()
    if (this.#seen.size > MOST && oldest !== undefined) this.#seen.delete(oldest)
  }

  /** Whether it is still the file that was right, and not changed since by anybody else. */
  has(path: string, stats: Stats, nowMs: number): boolean {
    const seen = this.#seen.get(path)
    return seen !== undefined && nowMs < seen.untilMs && isSame(seen, stats)
  }

  /** The time of the file is about to be set to `nowMs`, by ourselves. */
  touched(path: string, before: Stats, nowMs: number): void {
    const seen = this.#seen.get(path)
    if (seen !== undefined && isSame(seen, before)) seen.mtimeMs = nowMs
  }
}

/** Times of files go through a floating point number of seconds. */
const isSame = (seen: Seen, { ino, size, mtimeMs }: Stats): boolean =>
  seen.inode === ino && seen.size === size && Math.abs(seen.mtimeMs - mtimeMs) < 1
