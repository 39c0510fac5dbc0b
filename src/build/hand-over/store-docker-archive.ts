import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import {
  type Descriptor,
  type ImageConfig,
  isDigest,
  type LayerCompression,
  MEDIA_TYPES,
} from '../../model/descriptor.ts'
import { DeployError } from '../../model/failure.ts'
import type { BuildRequest, BuildResult } from '../builder.ts'
import { compressed, compressedType, compressionKey } from '../image/compress.ts'
import type { LayerCache } from '../publish/layer-cache.ts'
import { Spool } from '../image/spool.ts'

/** Where the layers go, and what is remembered of them. */
export interface Storing {
  readonly destination: BuildRequest['destination']
  readonly compression: LayerCompression
  readonly cache: LayerCache
  readonly temporary: string
}

type Layer = BuildResult['layers'][number] & { readonly mediaType: string; readonly sentBytes: number }

/**
 * Puts an image that `docker save` wrote, laid out in a folder, into a store: its configuration as it is, its layers compressed.
 * Layers that were stored before are neither compressed nor sent again. Throws IMAGE_INVALID and what the store throws.
 */
export async function storeDockerArchive(
  folder: string,
  storing: Storing,
  signal: AbortSignal,
): Promise<Omit<BuildResult, 'images'>> {
  const { store, repository, tags } = storing.destination
  const [saved] = JSON.parse(await readFile(inside(folder, 'manifest.json'), 'utf8')) as readonly Saved[]
  if (saved === undefined) throw invalid('holds no image')
  const configBytes = await readFile(inside(folder, saved.Config))
  const { diff_ids: diffIds } = (JSON.parse(configBytes.toString('utf8')) as ImageConfig).rootfs
  if (diffIds.length !== saved.Layers.length)
    throw invalid(`has ${saved.Layers.length} layers and names ${diffIds.length}`)
  const layers: Layer[] = []
  for (const [index, diffId] of diffIds.entries()) {
    layers.push(await storeLayer(inside(folder, saved.Layers[index] ?? ''), diffId, storing, signal))
  }
  const config = { digest: digestOf(configBytes), size: configBytes.length }
  const sent = await store.writeBlob(repository, config, () => Readable.from([configBytes]), signal)
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.imageManifest,
      config: { mediaType: MEDIA_TYPES.imageConfig, ...config },
      layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
    }),
  )
  const artifact: Descriptor = {
    mediaType: MEDIA_TYPES.imageManifest,
    digest: digestOf(manifest),
    size: manifest.length,
  }
  await store.writeManifest(repository, { mediaType: artifact.mediaType, bytes: manifest }, tags, signal)
  const sentBytes = layers.reduce((sum, layer) => sum + layer.sentBytes, sent)
  return { artifact, sentBytes, layers: layers.map(({ digest, size, cached }) => ({ digest, size, cached })) }
}

interface Saved {
  readonly Config: string
  readonly Layers: readonly string[]
}

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

function inside(folder: string, path: string): string {
  if (path === '' || path.startsWith('/') || path.split('/').includes('..')) throw invalid(`names ${path}`)
  return join(folder, path)
}

async function storeLayer(path: string, diffId: string, storing: Storing, signal: AbortSignal): Promise<Layer> {
  const { destination, compression, cache, temporary } = storing
  const { store, repository } = destination
  if (!isDigest(diffId)) throw invalid(`names the layer ${diffId.slice(0, 80)}`)
  const key = createHash('sha256')
    .update(`tar ${compressionKey(compression)} ${diffId}`)
    .digest('hex')
  const mediaType = compressedType(compression)
  const known = await cache.find(key)
  if (known !== null && (await isThere(storing, known, signal))) {
    await cache.remember(key, known, repository, known)
    return { mediaType, digest: known.digest, size: known.size, cached: true, sentBytes: 0 }
  }
  const spool = new Spool(temporary)
  try {
    const plain = createHash('sha256')
    const packed = createHash('sha256')
    for await (const part of compressed(hashing(createReadStream(path), plain), compression)) {
      signal.throwIfAborted()
      packed.update(part)
      if (!spool.write(part)) await new Promise((resolve) => spool.once('drain', resolve))
    }
    await new Promise<void>((resolve, reject) => {
      spool.once('error', reject)
      spool.end(resolve)
    })
    if (`sha256:${plain.digest('hex')}` !== diffId) throw invalid(`has other bytes in its layer ${diffId} than it says`)
    const layer = { diffId, digest: `sha256:${packed.digest('hex')}`, size: spool.size }
    const sentBytes = await store.writeBlob(repository, layer, () => spool.read(), signal)
    await cache.remember(key, layer, repository, known)
    return { mediaType, digest: layer.digest, size: layer.size, cached: false, sentBytes }
  } finally {
    await spool.discard()
  }
}

async function isThere(
  { destination: { store, repository } }: Storing,
  known: { readonly digest: string; readonly size: number; readonly repositories: readonly string[] },
  signal: AbortSignal,
): Promise<boolean> {
  if ((await store.statBlob(repository, known.digest, signal)) === known.size) return true
  for (const other of known.repositories) {
    if (other !== repository && (await store.mountBlob(repository, known.digest, other, signal))) return true
  }
  return false
}

async function* hashing(source: Readable, hash: ReturnType<typeof createHash>): AsyncGenerator<Uint8Array> {
  for await (const part of source as AsyncIterable<Uint8Array>) {
    hash.update(part)
    yield part
  }
}

const invalid = (problem: string): DeployError =>
  new DeployError('IMAGE_INVALID', `what docker saved ${problem}`, {
    hint: 'Nothing was pushed. Build again; docker images and docker save show what docker has.',
  })
