import { once } from 'node:events'
import { createZstdDecompress } from 'node:zlib'
import { ByteSource } from './byte-source.ts'

/** Makes the error for bytes that are no intact stream. */
export type Damaged = (what: string, cause?: unknown) => Error

const FRAME = 0xfd2fb528
const SKIPPABLE = 0x184d2a50

/**
 * The plain bytes of a zstd stream of any number of frames (RFC 8878 section 3.1). node:zlib reads one frame only and
 * reports success after it (reference/libraries.md section 6), so each frame gets a decoder of its own: `bytesWritten`
 * tells how much of the input it used. Skippable frames are jumped over; bad magic and short input are refused.
 */
export async function* zstdFrames(compressed: AsyncIterable<Uint8Array>, damaged: Damaged): AsyncGenerator<Buffer> {
  const source = new ByteSource(compressed)
  while (true) {
    const head = await source.take(4)
    if (head.length === 0) return
    if (head.length < 4) throw damaged('its zstd stream ends in the middle of a frame')
    const magic = head.readUInt32LE()
    if (magic === FRAME) {
      source.putBack(head)
      yield* oneFrame(source, damaged)
    } else if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) await skipFrame(source, damaged)
    else throw damaged('its zstd stream has bytes that are no frame')
  }
}

async function skipFrame(source: ByteSource, damaged: Damaged): Promise<void> {
  const size = await source.take(4)
  if (size.length < 4) throw damaged('its zstd stream ends in the middle of a frame')
  let left = size.readUInt32LE()
  while (left > 0) {
    const part = await source.some(left)
    if (part === null) throw damaged('its zstd stream ends in the middle of a frame')
    left -= part.length
  }
}

async function* oneFrame(source: ByteSource, damaged: Damaged): AsyncGenerator<Buffer> {
  const decoder = createZstdDecompress()
  const fed = feed(decoder, source)
  // Handled below, after the output: without this an early failure counts as unhandled.
  fed.catch(() => {})
  try {
    for await (const chunk of decoder) yield chunk as Buffer
  } catch (failed) {
    throw damaged('its zstd stream is damaged', failed)
  } finally {
    decoder.destroy()
  }
  await fed
}

/** Writes one chunk at a time until the decoder has ended, and gives back what it did not use. */
async function feed(decoder: ReturnType<typeof createZstdDecompress>, source: ByteSource): Promise<void> {
  let given = 0
  const ended = once(decoder, 'end').then(() => 'ended' as const)
  ended.catch(() => {})
  let chunk: Buffer | null = null
  while (true) {
    chunk = await source.some(64 * 1024)
    if (chunk === null) {
      decoder.end()
      return
    }
    given += chunk.length
    const written = new Promise<'written'>((resolve) => decoder.write(chunk, () => resolve('written')))
    const first = await Promise.race([written, ended])
    if (first === 'ended' || decoder.bytesWritten < given) break
  }
  await ended
  const unused = given - decoder.bytesWritten
  if (unused > 0) source.putBack(Buffer.from(chunk.subarray(chunk.length - unused)))
}
