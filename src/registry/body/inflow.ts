import type { Readable } from 'node:stream'

/** Where bytes go as they come. */
export interface Sink {
  /** Where the next bytes are to be put, as soon as it is not busy. Never empty. */
  readonly space: Buffer
  /** What was put is being written: wait for `settled`. */
  readonly isBusy: boolean
  /** So many bytes were put at the beginning of `space`. What it throws ends the inflow. */
  took(bytes: number): void
  /** Resolves when it is not busy. Rejects when no more can be taken. */
  settled(): Promise<void>
}

/** Bytes that come from somewhere. */
export interface Inflow {
  /** Gives all of them to `sink`, in order. Rejects when they break off, and as the sink does. */
  into(sink: Sink): Promise<void>
}

export const brokenOff = () => new Error('the bytes broke off before their end')

/**
 * The bytes of a stream. It is not destroyed: whoever stops half-way can still answer on its connection. `owned`: nobody else has
 * its chunks, each is empty after its bytes were taken.
 */
export const streamInflow = (source: Readable, { owned = false } = {}): Inflow => ({
  into: async (sink) => {
    // Its failure is told by the rejection, also where it comes before or after we listen.
    source.on('error', () => {})
    if (source.readableEnded) return
    if (source.destroyed) throw source.errored ?? brokenOff()
    await flow(source, (chunk) => {
      const later = takeChunk(sink, chunk)
      if (!owned) return later
      if (later === null) giveBack(chunk)
      return later === null ? null : later.then(() => giveBack(chunk))
    })
  },
})

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

/** Puts what fits; answers how much that was. */
function put(sink: Sink, bytes: Uint8Array): number {
  const { space } = sink
  const part = bytes.subarray(0, space.length)
  space.set(part)
  sink.took(part.length)
  return part.length
}

/** Puts all of a chunk. null: done; otherwise the sink has to be waited for. */
export function takeChunk(sink: Sink, chunk: Uint8Array): Promise<void> | null {
  const taken = sink.isBusy ? 0 : put(sink, chunk)
  return sink.isBusy ? takeRest(sink, chunk.subarray(taken)) : null
}

async function takeRest(sink: Sink, rest: Uint8Array): Promise<void> {
  await sink.settled()
  for (let left = rest; left.length > 0; ) {
    left = left.subarray(put(sink, left))
    await sink.settled()
  }
}

/**
 * Gives the memory of a chunk back now. Node makes a new 64 KiB for each chunk of a request, and what only the garbage collector
 * frees costs that collector, and a page fault for each page of the next, as much processor time as hashing the bytes.
 */
function giveBack({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
