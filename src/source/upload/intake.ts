import { Readable } from 'node:stream'

/** Bytes on their way to git, counted. Neither too many bytes nor a broken connection fails here: git is ended, then asked why. */
export class Intake {
  readonly maxBytes: number
  readonly #chunks: AsyncIterator<Uint8Array>
  #bytes = 0
  #end: 'open' | 'whole' | 'too-large' | 'cut' = 'open'

  constructor(source: AsyncIterable<Uint8Array>, maxBytes: number) {
    this.#chunks = source[Symbol.asyncIterator]()
    this.maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** How it ended. `open`: git ended before the bytes did. */
  get end(): 'open' | 'whole' | 'too-large' | 'cut' {
    return this.#end
  }

  /** What git reads. When git ends first, nobody waits for a sender that stands still. */
  stream(): Readable {
    const next = () => this.#next()
    const stop = () => void this.#chunks.return?.().catch(() => {})
    return new Readable({
      read() {
        void next().then((chunk) => this.push(chunk))
      },
      destroy(failed, done) {
        stop()
        done(failed)
      },
    })
  }

  async #next(): Promise<Uint8Array | null> {
    try {
      const { done, value } = await this.#chunks.next()
      if (done === true) return this.#ended('whole')
      this.#bytes += value.length
      return this.#bytes > this.maxBytes ? this.#ended('too-large') : value
    } catch {
      return this.#ended('cut')
    }
  }

  #ended(how: 'whole' | 'too-large' | 'cut'): null {
    this.#end = how
    return null
  }
}
