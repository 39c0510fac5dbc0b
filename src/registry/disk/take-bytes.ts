import type { Readable } from 'node:stream'

/**
 * Bytes are written in pieces of this many: one write of a whole piece costs a fifth of the kernel's work for the same bytes in
 * sixteen parts (ext4, Linux 6.18: 100 MB by writev of 64 KiB each took 155 to 229 ms of system time, in one piece 20 to 30).
 */
const PIECE = 512 * 1024

/** What is done with bytes as they come. */
export interface Taking {
  /** Called with each chunk, in order; what it throws ends the taking. */
  readonly each: (chunk: Uint8Array) => void
  /** Puts bytes where they belong, one call at a time; they are overwritten when it has resolved. */
  readonly write: (piece: Uint8Array) => Promise<void>
  /** Nobody else has the chunks: each is empty after its bytes were taken. Default false. */
  readonly owned?: boolean
}

/**
 * Takes all of a stream with two pieces of memory, whatever its length: one is filled while the other is written. Rejects when
 * the stream fails or breaks off, after what came before was written. The stream is not destroyed: whoever stops half-way can
 * still answer on its connection.
 */
export async function takeBytes(source: Readable, taking: Taking): Promise<void> {
  // Its failure is told by the rejection, also where it comes before or after we listen.
  source.on('error', () => {})
  if (source.readableEnded) return
  if (source.destroyed) throw source.errored ?? brokenOff()
  const pieces = new Pieces(taking)
  try {
    await flow(source, (chunk) => {
      taking.each(chunk)
      return pieces.add(chunk)
    })
  } finally {
    await pieces.flush()
  }
}

/** Gives each chunk to `take`, and waits where that has to: also at the end, which a stream may tell while it is paused. */
function flow(source: Readable, take: (chunk: Uint8Array) => Promise<void> | null): Promise<void> {
  return new Promise((resolve, reject) => {
    let taking: Promise<void> = Promise.resolve()
    const settle = (end: () => void) => {
      source.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose).pause()
      taking.then(end, reject)
    }
    const onData = (chunk: Uint8Array) => {
      try {
        const waiting = take(chunk)
        if (waiting === null) return
        source.pause()
        taking = waiting
        waiting.then(() => source.resume(), onError)
      } catch (failed) {
        onError(failed)
      }
    }
    const onEnd = () => settle(resolve)
    const onError = (failed: unknown) => settle(() => reject(failed))
    const onClose = () => onError(brokenOff())
    source.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose)
  })
}

/** Two pieces of memory: one is filled while the other is written. */
class Pieces {
  readonly #write: Taking['write']
  readonly #spent: (chunk: Uint8Array) => void
  #filling: Buffer = Buffer.allocUnsafeSlow(PIECE)
  #spare: Buffer | null = null
  #filled = 0
  /** null: none is on its way. One that failed stays, so that whoever comes next is told. */
  #writing: Promise<void> | null = null

  constructor({ write, owned }: Taking) {
    this.#write = write
    this.#spent = owned === true ? giveBack : () => {}
  }

  /** null: done. Otherwise whoever adds has to wait. */
  add(chunk: Uint8Array): Promise<void> | null {
    if (this.#filled + chunk.length > PIECE) {
      if (this.#writing !== null || chunk.length > PIECE) return this.#addLater(chunk)
      this.#turn()
    }
    this.#filling.set(chunk, this.#filled)
    this.#filled += chunk.length
    this.#spent(chunk)
    return null
  }

  /** Writes all that is in memory. */
  async flush(): Promise<void> {
    await this.#writing
    const rest = this.#filling.subarray(0, this.#filled)
    this.#filled = 0
    if (rest.length > 0) await this.#write(rest)
  }

  async #addLater(chunk: Uint8Array): Promise<void> {
    await this.#writing
    if (chunk.length <= PIECE) {
      await this.add(chunk)
      return
    }
    await this.flush()
    await this.#write(chunk)
    this.#spent(chunk)
  }

  /** Begins to write what is filled, and fills the other piece. */
  #turn(): void {
    const full = this.#filling
    const writing = this.#write(full.subarray(0, this.#filled))
    this.#writing = writing
    writing.then(
      () => {
        if (this.#writing === writing) this.#writing = null
      },
      () => {},
    )
    this.#filling = this.#spare ?? Buffer.allocUnsafeSlow(PIECE)
    this.#spare = full
    this.#filled = 0
  }
}

/**
 * Gives the memory of a chunk back now. Node makes a new 64 KiB for each chunk of a request, and what only the garbage collector
 * frees costs that collector, and a page fault for each page of the next, as much processor time as hashing the bytes.
 */
function giveBack({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}

const brokenOff = () => new Error('the bytes broke off before their end')
