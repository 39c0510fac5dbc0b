/** A stream of bytes that is read by count: how the tar reader and the zstd loop see their input. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>
  #held: Buffer = Buffer.alloc(0)
  #ended = false

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** Up to `most` bytes, at least one; null at the end. */
  async some(most: number): Promise<Buffer | null> {
    while (this.#held.length === 0) if (!(await this.#more())) return null
    const part = this.#held.subarray(0, most)
    this.#held = this.#held.subarray(part.length)
    return part
  }

  /** Exactly `count` bytes; fewer only when the stream ends before. */
  async take(count: number): Promise<Buffer> {
    const parts: Buffer[] = []
    let missing = count
    while (missing > 0) {
      const part = await this.some(missing)
      if (part === null) break
      parts.push(part)
      missing -= part.length
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
  }

  /** The latin1 text before the next newline, which is taken with it; null: the stream ends before, or more than `most` bytes do not have one. */
  async line(most: number): Promise<string | null> {
    let text = ''
    for (;;) {
      const end = this.#held.indexOf(0x0a)
      const part = end < 0 ? this.#held : this.#held.subarray(0, end)
      if (text.length + part.length > most) return null
      text += part.toString('latin1')
      this.#held = this.#held.subarray(part.length + (end < 0 ? 0 : 1))
      if (end >= 0) return text
      if (!(await this.#more())) return null
    }
  }

  /** Gives bytes back, to be read next. */
  putBack(bytes: Buffer): void {
    this.#held = Buffer.concat([bytes, this.#held])
  }

  /** Holds the next chunk, where nothing is held; false: there is none. */
  async #more(): Promise<boolean> {
    if (this.#ended) return false
    const next = await this.#chunks.next()
    if (next.done === true) this.#ended = true
    else this.#held = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength)
    return !this.#ended
  }
}
