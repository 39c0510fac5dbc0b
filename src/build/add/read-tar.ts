import {
  BLOCK,
  entryOf,
  type Extended,
  isHeader,
  NOTHING_EXTENDED,
  paxRecords,
  sizeOf,
  type TarEntry,
  TarInvalid,
  TarTooLarge,
  typeOf,
} from './tar-header.ts'

/** Of one extended header: a longer name or attribute is none. */
const MOST_EXTENDED = 2 ** 20

/**
 * Reads a tar archive entry by entry (v7, ustar, pax, GNU long names; numbers in octal and base 256). `each` is told an
 * entry and answers where a file's bytes go, in order. What Go's archive/tar refuses is refused here too, and besides that
 * sparse files. Answers false, before anything was told, when the bytes do not begin with a header. Throws TarInvalid.
 */
export async function readTar(
  stream: AsyncIterable<Uint8Array>,
  each: (entry: TarEntry) => (part: Uint8Array) => void,
): Promise<boolean> {
  const bytes = new Bytes(stream[Symbol.asyncIterator]())
  try {
    // What cannot be decompressed this far is no archive either.
    const first = await bytes.block().catch(unlessTooLarge)
    if (first === null || !isHeader(first) || isZero(first)) return false
    await readEntries(bytes, first, each)
    return true
  } finally {
    await bytes.close()
  }
}

function unlessTooLarge(failed: unknown): null {
  if (failed instanceof TarTooLarge) throw failed
  return null
}

async function readEntries(
  bytes: Bytes,
  first: Buffer,
  each: (entry: TarEntry) => (part: Uint8Array) => void,
): Promise<void> {
  let extended = NOTHING_EXTENDED
  for (let block: Buffer | null = first; block !== null; block = await bytes.block()) {
    if (isZero(block)) {
      const second = await bytes.block()
      // To the end of the stream: only then its own checksums have been compared.
      if (second === null || isZero(second)) return bytes.rest()
      throw new TarInvalid('goes on after its end')
    }
    if (!isHeader(block)) throw new TarInvalid('has a header with a wrong checksum')
    const more = await readExtended(bytes, block, extended)
    if (more !== null) {
      extended = more
      continue
    }
    const entry = entryOf(block, extended)
    extended = NOTHING_EXTENDED
    const take = each(entry)
    for await (const part of bytes.parts(entry.size)) take(part)
    await bytes.skip(padding(entry.size))
  }
}

/** What holds for the entry after it; null: the block is the header of an entry. */
async function readExtended(bytes: Bytes, block: Buffer, before: Extended): Promise<Extended | null> {
  const type = typeOf(block)
  if (type === 'S') throw new TarInvalid('has sparse files, which are not unpacked here')
  if (!'xgLK'.includes(type)) return null
  const size = sizeOf(block)
  if (size > MOST_EXTENDED) throw new TarInvalid(`has an extended header of ${size} bytes`)
  const content = await bytes.exactly(size)
  await bytes.skip(padding(size))
  // Global records are read by nobody but git.
  if (type === 'g') return before
  if (type === 'x') return { ...before, pax: paxRecords(content) }
  const end = content.indexOf(0)
  const name = end < 0 ? content : content.subarray(0, end)
  return type === 'L' ? { ...before, longName: name } : { ...before, longLink: name }
}

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK
const isZero = (block: Buffer): boolean => block.every((byte) => byte === 0)

/** Bytes of a stream, asked for by count. */
class Bytes {
  readonly #source: AsyncIterator<Uint8Array>
  #held = Buffer.alloc(0)

  constructor(source: AsyncIterator<Uint8Array>) {
    this.#source = source
  }

  /** The next block; null at the end. */
  async block(): Promise<Buffer | null> {
    await this.#fill(BLOCK)
    if (this.#held.length === 0) return null
    return this.#cut(BLOCK)
  }

  async exactly(count: number): Promise<Buffer> {
    await this.#fill(count)
    return this.#cut(count)
  }

  async *parts(count: number): AsyncGenerator<Uint8Array> {
    for (let left = count; left > 0; ) {
      await this.#fill(1)
      const part = this.#cut(Math.min(left, Math.max(this.#held.length, 1)))
      left -= part.length
      yield part
    }
  }

  async skip(count: number): Promise<void> {
    for await (const _ of this.parts(count));
  }

  async rest(): Promise<void> {
    for (this.#held = Buffer.alloc(0); ; ) if ((await this.#source.next()).done === true) return
  }

  async close(): Promise<void> {
    await this.#source.return?.()
  }

  #cut(count: number): Buffer {
    if (this.#held.length < count) throw new TarInvalid('ends in the middle')
    const part = this.#held.subarray(0, count)
    this.#held = this.#held.subarray(count)
    return part
  }

  async #fill(count: number): Promise<void> {
    if (this.#held.length >= count) return
    const parts: Uint8Array[] = [this.#held]
    for (let size = this.#held.length; size < count; ) {
      const { done, value } = await this.#source.next()
      if (done === true) break
      parts.push(value)
      size += value.length
    }
    this.#held = Buffer.concat(parts)
  }
}
