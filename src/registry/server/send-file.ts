import type { FileHandle } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import type { ByteRoom, ByteShare } from './byte-room.ts'

/** Bytes go from the disk to the connection in pieces of this many: they stay in the processor's cache on their way. */
const PIECE = 256 * 1024
/** Where the room is full: many clients that read slowly, or not at all, cost no more than this each (A14). */
const SMALL_PIECE = 16 * 1024

/** How large the pieces of an answer of so many bytes may be, of which `count` are in memory at a time. */
export function pieceSize(share: ByteShare, bytes: number, count: number): number {
  const size = Math.min(PIECE, bytes)
  return size <= SMALL_PIECE || share.take(size * count) ? size : SMALL_PIECE
}

/**
 * Sends the bytes `start` to `end` (inclusive) of a file after the head of an answer: one piece of memory is read into while the other
 * is on its way. Throws when the client goes away or the file is shorter; the connection is to be broken off then.
 */
export async function sendFile(
  { handle, start, end }: { readonly handle: FileHandle; readonly start: number; readonly end: number },
  response: ServerResponse,
  room: ByteRoom,
) {
  using share = room.share()
  const bytes = end + 1 - start
  const size = pieceSize(share, bytes, bytes > PIECE ? 2 : 1)
  let [reading, sending] = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(bytes > size ? size : 0)]
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
