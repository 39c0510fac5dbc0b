/** Tells in the bytes of a connection which are the body's. What a body may look like is for Node's parser to judge, which gets the same bytes. */
export interface Framing {
  /** Whether the body is over. */
  readonly ended: boolean
  /** Where the body is in the next bytes, and how many of these belong to the body and its framing: fewer than all only where it ends. */
  split(bytes: Uint8Array): Split
}

export interface Split {
  /** In order, none of them empty. */
  readonly parts: readonly Part[]
  readonly used: number
}

/** Some bytes among others. Clients send chunks of 8 to 64 KiB, and a view of each would cost as much as moving it. */
export interface Part {
  readonly at: number
  readonly size: number
}

/** A body of so many bytes (`Content-Length`). */
export class LengthFraming implements Framing {
  #left: number

  constructor(length: number) {
    this.#left = length
  }

  get ended(): boolean {
    return this.#left === 0
  }

  split({ length }: Uint8Array): Split {
    const size = Math.min(length, this.#left)
    this.#left -= size
    return { parts: [{ at: 0, size }], used: size }
  }
}

/** A size of more digits is none that a number can say. */
const MOST_DIGITS = 13

/** A body in chunks (RFC 9112, 7.1). Once it cannot be read it has no parts and no end: Node's parser refuses it. */
export class ChunkFraming implements Framing {
  #state: 'size' | 'extension' | 'part' | 'after part' | 'trailers' | 'ended' | 'unreadable' = 'size'
  /** How many bytes of the chunk are to come, as far as its size was read. */
  #left = 0
  #digits = 0
  /** Whether anything was on the line of the trailers yet. */
  #hasTrailer = false

  get ended(): boolean {
    return this.#state === 'ended'
  }

  split(bytes: Uint8Array): Split {
    const parts: Part[] = []
    let used = 0
    while (used < bytes.length && !this.ended) {
      if (this.#state === 'part') {
        const size = Math.min(this.#left, bytes.length - used)
        parts.push({ at: used, size })
        used += size
        this.#left -= size
        if (this.#left === 0) this.#state = 'after part'
      } else {
        this.#readByte(bytes[used] ?? 0)
        used++
      }
    }
    return { parts, used }
  }

  #readByte(byte: number): void {
    if (byte === LF) this.#endLine()
    else if (this.#state === 'size') this.#readSize(byte)
    else if (byte === CR) return
    else if (this.#state === 'trailers') this.#hasTrailer = true
    else if (this.#state === 'after part') this.#state = 'unreadable'
  }

  #readSize(byte: number): void {
    const digit = digitOf(byte)
    if (digit !== null && this.#digits < MOST_DIGITS) {
      this.#left = this.#left * 16 + digit
      this.#digits++
    } else this.#state = digit === null && endsSize(byte) ? 'extension' : 'unreadable'
  }

  #endLine(): void {
    if (this.#state === 'size' || this.#state === 'extension') {
      this.#state = this.#digits === 0 ? 'unreadable' : this.#left === 0 ? 'trailers' : 'part'
      this.#digits = 0
    } else if (this.#state === 'after part') this.#state = 'size'
    else if (this.#state === 'trailers') {
      if (!this.#hasTrailer) this.#state = 'ended'
      this.#hasTrailer = false
    }
  }
}

const LF = 0x0a
const CR = 0x0d

/** What a hexadecimal digit is worth; null: it is none. */
function digitOf(byte: number): number | null {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : null
}

/** A line's end, white space, or the `;` before an extension. */
const endsSize = (byte: number): boolean => byte === CR || byte === 0x20 || byte === 0x09 || byte === 0x3b
