import { createHash, type Hash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { type Descriptor, isDigest, MEDIA_TYPES } from '../../../../model/descriptor.ts'
import { DeployError } from '../../../../model/failure.ts'
import { invalidLayer } from './invalid-layer.ts'
import type { LayerLimits } from './layer-limits.ts'
import { zstdFrames } from '../../../../lib/zstd-frames.ts'

type Compression = 'none' | 'gzip' | 'zstd'

const COMPRESSIONS: Readonly<Record<string, Compression>> = {
  [MEDIA_TYPES.layer]: 'none',
  [MEDIA_TYPES.layerGzip]: 'gzip',
  [MEDIA_TYPES.layerZstd]: 'zstd',
  [MEDIA_TYPES.dockerLayerGzip]: 'gzip',
  [MEDIA_TYPES.dockerLayer]: 'none',
  [MEDIA_TYPES.dockerLayerZstd]: 'zstd',
}

/** How a layer is compressed, from its media type. Throws IMAGE_INVALID for anything that is no layer. */
export function layerCompression(mediaType: string): Compression {
  const compression = COMPRESSIONS[mediaType]
  if (compression === undefined) throw invalidLayer(`its media type ${mediaType.slice(0, 120)} is not known`)
  return compression
}

/**
 * The tar bytes of a layer. After the last one both digests are compared: the descriptor's, of the bytes as stored, and
 * the diffID, of the plain ones (F15). Bytes and ratio beyond the limits end it (A7).
 */
export async function* plainLayer(
  layer: Descriptor,
  diffId: string,
  stored: Readable,
  limits: LayerLimits,
): AsyncGenerator<Buffer> {
  const outside = new Digester(layer.digest)
  const inside = new Digester(diffId)
  for await (const chunk of decompress(layerCompression(layer.mediaType), outside.watch(stored))) {
    inside.add(chunk)
    if (inside.bytes > limits.bytes) throw invalidLayer(`it unpacks to more than ${limits.bytes} bytes`)
    if (inside.bytes > limits.freeBytes && inside.bytes > outside.bytes * limits.ratio)
      throw invalidLayer(`it unpacks to more than ${limits.ratio} times its size`)
    yield chunk
  }
  outside.check(`layer ${layer.digest}`)
  inside.check(`the content of layer ${layer.digest}`)
}

async function* decompress(compression: Compression, bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  if (compression === 'none') yield* bytes
  else if (compression === 'zstd') yield* zstdFrames(bytes, invalidLayer)
  else yield* gunzip(bytes)
}

async function* gunzip(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  // Errors of either side come out of the iteration: pipeline destroys the other end with them.
  const plain = pipeline(bytes, createGunzip({ chunkSize: 64 * 1024 }), () => {})
  try {
    for await (const chunk of plain) yield chunk as Buffer
  } catch (failed) {
    if ((failed as NodeJS.ErrnoException).code?.startsWith('Z_') === true)
      throw invalidLayer('its gzip stream is damaged', failed)
    throw failed
  } finally {
    plain.destroy()
  }
}

class Digester {
  readonly #expected: string
  readonly #algorithm: string
  readonly #hash: Hash
  bytes = 0

  constructor(expected: string) {
    if (!isDigest(expected)) throw invalidLayer(`${JSON.stringify(expected.slice(0, 80))} is no digest`)
    this.#expected = expected
    this.#algorithm = expected.slice(0, expected.indexOf(':'))
    this.#hash = createHash(this.#algorithm)
  }

  add(chunk: Buffer): void {
    this.bytes += chunk.length
    this.#hash.update(chunk)
  }

  async *watch(stored: Readable): AsyncGenerator<Buffer> {
    for await (const chunk of stored as AsyncIterable<Buffer>) {
      this.add(chunk)
      yield chunk
    }
  }

  check(what: string): void {
    const actual = `${this.#algorithm}:${this.#hash.digest('hex')}`
    if (actual === this.#expected) return
    throw new DeployError('DIGEST_MISMATCH', `${what} has the digest ${actual} instead of ${this.#expected}`, {
      hint: 'The stored image is damaged: it was not unpacked. Deploy the commit again, or push the image again.',
      detail: { expected: this.#expected, actual },
    })
  }
}
