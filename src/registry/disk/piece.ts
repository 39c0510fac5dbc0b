/** So much is read before it is written: the fewer times something waits for something else, the less does it cost. */
const PIECE = 1024 * 1024

/** A piece of memory that is filled and written in turn: while it is written, what comes waits in the kernel. */
export class Piece {
  readonly #write: (bytes: Uint8Array) => Promise<void>
  readonly #memory = Buffer.allocUnsafeSlow(PIECE)
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
    if (this.#filled === PIECE) this.#begin()
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
