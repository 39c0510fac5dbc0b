/** Tells in the bytes of a connection which are the body's. What a body may look like is for Node's parser to judge, which gets the same bytes. */
export interface Framing {
  /** Whether the body is over. */
  readonly ended: boolean
  /** The body's parts of the next bytes, and how many of these belong to the body and its framing: fewer than all only where it ends. */
  split(bytes: Uint8Array): { readonly parts: readonly Uint8Array[]; readonly used: number }
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

  split(bytes: Uint8Array) {
    const part = bytes.subarray(0, this.#left)
    this.#left -= part.length
    return { parts: [part], used: part.length }
  }
}

/** The longest line that matters: of others only that they are longer. */
const LINE = 32

/** A body in chunks (RFC 9112, 7.1). Once it cannot be read it has no parts and no end: Node's parser refuses it. */
export class ChunkFraming implements Framing {
  #state: 'size' | 'part' | 'after part' | 'trailers' | 'ended' | 'unreadable' = 'size'
  /** The beginning of the line that has not ended yet. */
  #line = ''
  /** How many bytes of the chunk are to come. */
  #left = 0

  get ended(): boolean {
    return this.#state === 'ended'
  }

  split(bytes: Uint8Array) {
    const parts: Uint8Array[] = []
    let used = 0
    while (used < bytes.length && !this.ended) {
      if (this.#state === 'unreadable') used = bytes.length
      else if (this.#state !== 'part') used = this.#readLine(bytes, used)
      else {
        const part = bytes.subarray(used, used + this.#left)
        parts.push(part)
        used += part.length
        this.#left -= part.length
        if (this.#left === 0) this.#state = 'after part'
      }
    }
    return { parts, used }
  }

  /** Where the next line begins. */
  #readLine(bytes: Uint8Array, at: number): number {
    const end = bytes.indexOf(LF, at)
    const text = bytes.subarray(at, end < 0 ? bytes.length : end)
    this.#line += String.fromCharCode(...text.subarray(0, LINE - this.#line.length))
    if (end < 0) return bytes.length
    this.#endLine(this.#line.replace(/\r$/, ''))
    this.#line = ''
    return end + 1
  }

  #endLine(line: string): void {
    if (this.#state === 'size') this.#begin(line)
    else if (this.#state === 'trailers') this.#state = line === '' ? 'ended' : 'trailers'
    else this.#state = line === '' ? 'size' : 'unreadable'
  }

  #begin(line: string): void {
    const digits = /^[0-9a-f]{1,13}(?=$|[;\s])/i.exec(line)?.[0]
    this.#left = Number.parseInt(digits ?? '', 16)
    this.#state = digits === undefined ? 'unreadable' : this.#left === 0 ? 'trailers' : 'part'
  }
}

const LF = 0x0a
