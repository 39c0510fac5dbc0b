/** Bytes read at once, per direction of a connection: its whole memory apart from the kernel's. */
const BUFFER_BYTES = 16 * 1024
/** Free buffers that are kept: 4 MB. */
const KEPT = 256

const free: Buffer[] = []

/** A read buffer: one that was given back, or a new one. */
export const takeBuffer = (): Buffer => free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)

/** Gives a buffer back once nothing reads into it or writes from it: after its socket's `close`. */
export function giveBuffer(buffer: Buffer): void {
  if (free.length < KEPT) free.push(buffer)
}
