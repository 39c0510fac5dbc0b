import type { FileHandle } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'

/** Bytes go from the disk to the connection in pieces of this many: they stay in the processor's cache on their way. */
const PIECE = 256 * 1024

/**
 * Sends the bytes `start` to `end` (inclusive) of a file after the head of an answer: one piece of memory is read into while the other
 * is on its way. Throws when the client goes away or the file is shorter; the connection is to be broken off then.
 */
export async function sendFile(handle: FileHandle, start: number, end: number, response: ServerResponse) {
  const size = Math.min(PIECE, end + 1 - start)
  let [reading, sending] = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(end + 1 - start > PIECE ? size : 0)]
  let sent: Promise<void> | null = null
  for (let at = start; at <= end; ) {
    const { bytesRead } = await handle.read(reading, 0, Math.min(size, end + 1 - at), at)
    if (bytesRead === 0) throw new Error(`the file ends at ${at}, before ${end}`)
    at += bytesRead
    await sent
    sent = write(response, reading.subarray(0, bytesRead))
    ;[reading, sending] = [sending, reading]
  }
  await sent
  response.end()
}

/** Resolves when the kernel has all of it, rejects when the client has gone. */
export function write(response: ServerResponse, piece: Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const gone = () => reject(new Error('the client has gone'))
  response.once('close', gone)
  response.write(piece, (failed) => {
    response.off('close', gone)
    if (failed) reject(failed)
    else resolve()
  })
  if (response.destroyed) gone()
  // It is waited for after the next piece was read.
  promise.catch(() => {})
  return promise
}
