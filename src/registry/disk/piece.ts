/**
 * So much is read before it is written: each read and each write wakes somebody, which costs as much as tens of KiB do. All that is held for
 * an upload has to stay below 2 MB.
 */
const PIECE = 1536 * 1024
/** With less space than this it is full: chunks leave a rest, and a read of that alone would cost as much as one of a MiB. */
const LEAST_SPACE = 64 * 1024
/** So many are kept for the next ones: new memory each time makes the garbage collector look through everything after a few uploads. */
const MOST_SPARE = 2

/** A piece of memory that is filled and written in turn: while it is written, what comes waits in the kernel. */
export class Piece {
  static readonly #spare: Buffer[] = []

  readonly #write: (bytes: Uint8Array) => Promise<void>
  readonly #memory = Piece.#spare.pop() ?? Buffer.allocUnsafeSlow(PIECE)
  #filled = 0
  /** null: none is on its way. One that failed stays, so that whoever comes next is told. */
  #writing: Promise<void> | null = null

  constructor(write: (bytes: Uint8Array) => Promise<void>) {
    this.#write = write
  }

  /** What is not filled; while it is written, what will not be. */
  get space(): Buffer {
    return this.#memory.subarray(this.#filled)
  }

  get isWriting(): boolean {
    return this.#writing !== null
  }

  /** So many bytes at the beginning of `space` are filled. */
  fill(bytes: number): void {
    this.#filled += bytes
    if (PIECE - this.#filled < LEAST_SPACE) this.#begin()
  }

  /** Resolves when nothing is being written. Rejects as a write did. */
  async settled(): Promise<void> {
    await this.#writing
  }

  /** Writes what is filled. */
  async flush(): Promise<void> {
    await this.#writing
    if (this.#filled > 0) this.#begin()
    await this.#writing
  }

  /** After the flush that was the last: gives the memory to another piece. */
  release(): void {
    if (Piece.#spare.length < MOST_SPARE) Piece.#spare.push(this.#memory)
  }

  #begin(): void {
    const writing = this.#write(this.#memory.subarray(0, this.#filled))
    this.#writing = writing
    this.#filled = 0
    writing.then(
      () => {
        this.#writing = null
      },
      () => {},
    )
  }
}
