import { type LogPart, logParts, readPart } from './keeper/logs/log-file.ts'

const CHUNK_BYTES = 65_536
const LINE_END = 0x0a

/** Reads a replica's log on from where it stopped, whole lines at a time, also over cuts. */
export class LogReader {
  readonly #path: string
  #offset: number
  #rest: Buffer = Buffer.alloc(0)

  /** Begins with the last `tail` lines; Infinity: with all that is there. */
  constructor(path: string, tail: number) {
    this.#path = path
    this.#offset = offsetOfTail(logParts(path), tail)
  }

  /** The lines that were written since. */
  *lines(): Generator<string> {
    const parts = logParts(this.#path)
    if (this.#offset > (parts.at(-1)?.to ?? 0)) this.#beginAnew()
    for (const part of parts) {
      while (this.#offset < part.to) {
        const from = Math.max(this.#offset, part.from)
        const bytes = readPart(part, from, Math.min(part.to, from + CHUNK_BYTES))
        if (bytes.length === 0) break
        this.#offset = from + bytes.length
        yield* this.#split(bytes)
      }
    }
  }

  /** What was written of a line without its end; for the end of reading. */
  unfinished(): string | null {
    const text = this.#rest.toString('utf8')
    this.#rest = Buffer.alloc(0)
    return text === '' ? null : text
  }

  /** Its program emptied the log. */
  #beginAnew(): void {
    this.#offset = 0
    this.#rest = Buffer.alloc(0)
  }

  *#split(bytes: Buffer): Generator<string> {
    let text = Buffer.concat([this.#rest, bytes])
    for (let end = text.indexOf(LINE_END); end >= 0; end = text.indexOf(LINE_END)) {
      yield text.subarray(0, end).toString('utf8')
      text = text.subarray(end + 1)
    }
    this.#rest = text
  }
}

/** Where the last `lines` lines begin, as an offset of the whole log. */
function offsetOfTail(parts: readonly LogPart[], lines: number): number {
  const end = parts.at(-1)?.to ?? 0
  const begin = parts[0]?.from ?? 0
  if (lines === 0) return end
  if (lines === Number.POSITIVE_INFINITY) return begin
  let left = lines
  for (const at of lineEndsBackwards(parts)) {
    // The end of the last line is not the end of one before it.
    if (at !== end - 1) left--
    if (left === 0) return at + 1
  }
  return begin
}

/** Offsets of line ends, the last one first; reads no more of the log than is asked for. */
function* lineEndsBackwards(parts: readonly LogPart[]): Generator<number> {
  for (const part of parts.toReversed()) {
    for (let to = part.to; to > part.from; to -= CHUNK_BYTES) {
      const from = Math.max(part.from, to - CHUNK_BYTES)
      const bytes = readPart(part, from, to)
      for (let at = bytes.length - 1; at >= 0; at--) if (bytes[at] === LINE_END) yield from + at
    }
  }
}
