import type { Socket } from 'node:net'

const NOTHING = Buffer.alloc(0)

/** Says the last word to a socket. When the other side has said its own (`heard`) and nothing is unsent, closing it says so in one call less. */
export function finish(socket: Socket, heard: boolean): void {
  if (heard && socket.writableLength === 0) socket.destroy()
  else socket.end()
}

/**
 * Writes what was read. True: it is gone and the buffer is free. False: the reader is paused (Node's contract of `onread`) until
 * an empty write behind it is done. No callback and no `drain` on the fast path: each would cost a tick per message.
 */
export function forward(from: Socket, to: Socket, size: number, buffer: Uint8Array): boolean {
  to.write(size === buffer.length ? buffer : buffer.subarray(0, size))
  if (to.writableLength === 0) return true
  to.write(NOTHING, () => from.read(0))
  return false
}
