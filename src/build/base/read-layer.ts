import { createHash } from 'node:crypto'
import { PassThrough, Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { createTarDecoder, type TarHeader } from 'modern-tar'
import { zstdFrames } from '../../lib/zstd-frames.ts'
import { type Descriptor, MEDIA_TYPES } from '../../model/descriptor.ts'
import { DeployError } from '../../model/failure.ts'
import type { ContentStore } from '../../registry/content-store.ts'

/** A layer of a base image, where it is and what its plain content must be. */
export interface LayerSource {
  readonly store: ContentStore
  readonly repository: string
  readonly layer: Descriptor
  readonly diffId: string
}

/** What is more than this once unpacked is refused: a bomb (A7). */
export interface LayerLimits {
  readonly bytes: number
  readonly entries: number
}

const LIMITS: LayerLimits = { bytes: 32 * 2 ** 30, entries: 2_000_000 }

/** No path of Linux is longer (PATH_MAX), so none is deeper than half of it. */
const MOST_PATH_BYTES = 4096

/** Real files give some 10 times their size, a sparse one 1000 times: beyond this ratio and size it is a bomb (A7). */
const MOST_RATIO = 400
const FREE_BYTES = 256 * 2 ** 20

const GZIP = new Set<string>([MEDIA_TYPES.layerGzip, MEDIA_TYPES.dockerLayerGzip])
const ZSTD = new Set<string>([MEDIA_TYPES.layerZstd, MEDIA_TYPES.dockerLayerZstd])
const PLAIN = new Set<string>([MEDIA_TYPES.layer, MEDIA_TYPES.dockerLayer])

/**
 * Reads a layer once, entry by entry; `each` reads a file's content or leaves it. The plain content is checked against its
 * diffId: a wrong one fails before this resolves. Throws IMAGE_INVALID, DIGEST_MISMATCH and what the store throws.
 */
export async function readLayer(
  source: LayerSource,
  each: (header: TarHeader, body: AsyncIterable<Uint8Array>) => Promise<void>,
  signal: AbortSignal,
  limits = LIMITS,
): Promise<void> {
  const { layer, store, repository, diffId } = source
  const blob = await store.readBlob(repository, layer.digest, signal)
  const hash = createHash('sha256')
  const plain = new PassThrough({ highWaterMark: 2 ** 20 })
  const unpacked = unpack(source, blob, counted(source, hash, limits.bytes), plain, signal)
  // Awaited below, in either case.
  unpacked.catch(() => {})
  try {
    await readEntries(plain, source, each, limits.entries)
  } catch (failed) {
    plain.destroy()
    throw await firstReason(source, failed, unpacked)
  }
  await unpacked
  const found = `sha256:${hash.digest('hex')}`
  if (found === diffId) return
  throw new DeployError('DIGEST_MISMATCH', `layer ${layer.digest} unpacks to ${found}, the image says ${diffId}`, {
    hint: `The image in ${repository} is damaged: push it again.`,
    detail: { repository, digest: layer.digest },
  })
}

/** Unpacking and reading end each other: of their two failures the one that came first says why, the other only that the stream closed. */
async function firstReason(source: LayerSource, reading: unknown, unpacked: Promise<void>): Promise<unknown> {
  if (reading instanceof DeployError) return reading
  const unpacking: unknown = await unpacked.then(
    () => null,
    (failed: unknown) => failed,
  )
  if (unpacking !== null && !isClosed(unpacking)) return unpacking
  if (isSystemError(reading)) return reading
  return invalid(
    source,
    `is no readable tar (${reading instanceof Error ? reading.message : String(reading)})`,
    reading,
  )
}

const isClosed = (failed: unknown): boolean =>
  (failed as { code?: unknown } | null)?.code === 'ERR_STREAM_PREMATURE_CLOSE'
const isSystemError = (failed: unknown): boolean =>
  typeof (failed as { code?: unknown } | null)?.code === 'string' && !isClosed(failed)

async function unpack(
  source: LayerSource,
  blob: Readable,
  count: Transform,
  plain: PassThrough,
  signal: AbortSignal,
): Promise<void> {
  const { mediaType } = source.layer
  try {
    if (GZIP.has(mediaType)) await pipeline(blob, createGunzip({ chunkSize: 2 ** 18 }), count, plain, { signal })
    else if (ZSTD.has(mediaType)) await pipeline(Readable.from(unzstd(source, blob)), count, plain, { signal })
    else if (PLAIN.has(mediaType)) await pipeline(blob, count, plain, { signal })
    else {
      blob.destroy()
      throw invalid(source, `is of the type ${mediaType.slice(0, 120)}, which is no layer`)
    }
  } catch (failed) {
    plain.destroy()
    if (isZlibError(failed)) throw invalid(source, 'is no intact gzip stream', failed)
    throw failed
  }
}

const unzstd = (source: LayerSource, blob: Readable): AsyncIterable<Uint8Array> =>
  zstdFrames(blob, (what, cause) => invalid(source, `is not usable: ${what}`, cause))

const isZlibError = (failed: unknown): boolean => /^Z_/.test(String((failed as { code?: unknown } | null)?.code))

function counted(source: LayerSource, hash: ReturnType<typeof createHash>, mostBytes: number): Transform {
  let total = 0
  return new Transform({
    highWaterMark: 2 ** 20,
    transform(part: Uint8Array, _encoding, done) {
      total += part.length
      hash.update(part)
      if (total > mostBytes) return done(invalid(source, `unpacks to more than ${mostBytes} bytes`))
      const isBomb = total > FREE_BYTES && total > source.layer.size * MOST_RATIO
      done(isBomb ? invalid(source, `unpacks to more than ${MOST_RATIO} times its size`) : null, part)
    },
  })
}

async function readEntries(
  plain: PassThrough,
  source: LayerSource,
  each: (header: TarHeader, body: AsyncIterable<Uint8Array>) => Promise<void>,
  mostEntries: number,
): Promise<void> {
  const decoder = createTarDecoder({ strict: true })
  const feeding = feed(plain, decoder.writable)
  feeding.catch(() => {})
  let count = 0
  for await (const entry of decoder.readable) {
    count += 1
    if (count > mostEntries) throw invalid(source, `has more than ${mostEntries} entries`)
    const pathBytes = Buffer.byteLength(entry.header.name)
    if (pathBytes > MOST_PATH_BYTES)
      throw invalid(source, `has a path of ${pathBytes} bytes; at most ${MOST_PATH_BYTES} are a path`)
    let used = false
    const body = {
      [Symbol.asyncIterator]() {
        used = true
        return entry.body[Symbol.asyncIterator]()
      },
    }
    await each(entry.header, body)
    if (!used) await entry.body.cancel()
  }
  await feeding
}

async function feed(plain: Readable, writable: WritableStream<Uint8Array>): Promise<void> {
  const writer = writable.getWriter()
  try {
    for await (const part of plain) await writer.write(part as Uint8Array)
    await writer.close()
  } catch (failed) {
    await writer.abort(failed).catch(() => {})
    throw failed
  }
}

function invalid({ layer, repository }: LayerSource, problem: string, cause?: unknown): DeployError {
  return new DeployError('IMAGE_INVALID', `layer ${layer.digest} of ${repository} ${problem}`, {
    hint: 'Nothing of it was used. Push the base image again, or use another one.',
    detail: { repository, digest: layer.digest },
    cause,
  })
}
