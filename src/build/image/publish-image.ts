import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { type Descriptor, type ImageConfig, type ImageManifest, MEDIA_TYPES } from '../../model/descriptor.ts'
import type { Report } from '../../model/event.ts'
import type { ContentStore } from '../../registry/content-store.ts'
import type { BuildRequest, BuildResult } from '../builder.ts'
import type { Added, Content } from './file-entry.ts'
import type { LayerCache } from './layer-cache.ts'
import type { SpooledContents } from '../base/layer-content.ts'
import { layerKey, makeLayer, settleLayer } from './make-layer.ts'
import { mapLimited } from './map-limited.ts'
import type { LayerSource } from '../base/read-layer.ts'

/** zlib compresses in threads of its own: two layers keep two cores busy, more would only cost memory. */
const AT_ONCE = 2

/** An image that is decided in every part and not yet packed. */
export interface PlannedImage {
  readonly base: readonly LayerSource[]
  readonly layers: readonly Added[]
  /** Everything but the layers' digests. */
  readonly config: Omit<ImageConfig, 'rootfs'>
}

export interface Publishing {
  readonly destination: BuildRequest['destination']
  readonly cache: LayerCache
  readonly contents: SpooledContents
  /** Folder for temporary files. */
  readonly temporary: string
  readonly report: Report
  /** Called when the layer of that index is in the store. */
  readonly layerDone: (index: number, cached: boolean) => void
}

interface Placed extends Descriptor {
  readonly diffId: string
  readonly cached: boolean
  readonly sentBytes: number
}

/** Brings an image into a store: layers first, then the configuration, the manifest and its tags last. Only what is missing is packed or sent. */
export async function publishImage(
  image: PlannedImage,
  publishing: Publishing,
  signal: AbortSignal,
): Promise<BuildResult> {
  const jobs = [
    ...image.base.map((source) => (abort: AbortSignal) => placeBase(source, publishing, abort)),
    ...image.layers.map((added, index) => (abort: AbortSignal) => placeLayer(added, index, publishing, abort)),
  ]
  const placed = await mapLimited(jobs, AT_ONCE, signal, (job, abort) => job(abort))
  const config = { ...image.config, rootfs: { type: 'layers', diff_ids: placed.map(({ diffId }) => diffId) } }
  const configBytes = Buffer.from(JSON.stringify(config))
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.imageManifest,
    config: { mediaType: MEDIA_TYPES.imageConfig, digest: digestOf(configBytes), size: configBytes.length },
    layers: placed.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  }
  const configSent = await placeConfig(configBytes, publishing, signal)
  const { artifact, sent } = await placeManifest(manifest, publishing, signal)
  return {
    artifact,
    sentBytes: placed.reduce((sum, { sentBytes }) => sum + sentBytes, configSent + sent),
    layers: placed.map(({ digest, size, cached }) => ({ digest, size, cached })),
  }
}

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** Whether the repository has a blob, or can have it from another one of its store. */
async function isThere(
  { store, repository }: { store: ContentStore; repository: string },
  { digest, size }: { digest: string; size: number },
  others: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  if ((await store.statBlob(repository, digest, signal)) === size) return true
  for (const other of others) {
    if (other !== repository && (await store.mountBlob(repository, digest, other, signal))) return true
  }
  return false
}

async function placeBase(
  source: LayerSource,
  { destination, report }: Publishing,
  signal: AbortSignal,
): Promise<Placed> {
  const { layer, diffId } = source
  const { mediaType, digest, size } = layer
  const others = source.store === destination.store ? [source.repository] : []
  const placed = { mediaType: ociLayerType(mediaType), digest, size, diffId, cached: true }
  if (await isThere(destination, layer, others, signal)) {
    report({ kind: 'push', digest, size, sentBytes: 0 })
    return { ...placed, sentBytes: 0 }
  }
  const open = () => Readable.from(readLazily(source, signal))
  const sentBytes = await destination.store.writeBlob(destination.repository, { digest, size }, open, signal)
  report({ kind: 'push', digest, size, sentBytes })
  return { ...placed, sentBytes }
}

/** A store may ask for the bytes again when it tries again. */
async function* readLazily({ store, repository, layer }: LayerSource, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const part of await store.readBlob(repository, layer.digest, signal)) yield part as Uint8Array
}

const ociLayerType = (mediaType: string): string =>
  mediaType === MEDIA_TYPES.dockerLayerGzip ? MEDIA_TYPES.layerGzip : mediaType

async function placeLayer(added: Added, index: number, publishing: Publishing, signal: AbortSignal): Promise<Placed> {
  const { destination, cache, report, layerDone } = publishing
  const { repository } = destination
  const files = await settleLayer(added, signal)
  const key = layerKey(files)
  const known = await cache.find(key)
  const mediaType = MEDIA_TYPES.layerGzip
  if (known !== null && (await isThere(destination, known, known.repositories, signal))) {
    await cache.remember(key, known, repository)
    layerDone(index, true)
    report({ kind: 'push', digest: known.digest, size: known.size, sentBytes: 0 })
    return { mediaType, digest: known.digest, size: known.size, diffId: known.diffId, cached: true, sentBytes: 0 }
  }
  await publishing.contents.prepare(contentsOf(added), signal)
  const made = await makeLayer(files, publishing.temporary, signal, async (layer, open) => {
    layerDone(index, false)
    return { ...layer, sentBytes: await destination.store.writeBlob(repository, layer, open, signal) }
  })
  await cache.remember(key, made, repository)
  report({ kind: 'push', digest: made.digest, size: made.size, sentBytes: made.sentBytes })
  return { mediaType, ...made, cached: false }
}

const contentsOf = (added: Added): readonly Content[] =>
  [...added.values()].flatMap((entry) => (entry.type === 'file' ? entry.content : []))

async function placeConfig(bytes: Uint8Array, { destination }: Publishing, signal: AbortSignal): Promise<number> {
  const { store, repository } = destination
  const blob = { digest: digestOf(bytes), size: bytes.length }
  if (await isThere(destination, blob, [], signal)) return 0
  return store.writeBlob(repository, blob, () => Readable.from([bytes]), signal)
}

/** Writes the manifest unless every tag already names it. */
async function placeManifest(
  manifest: ImageManifest,
  { destination, report }: Publishing,
  signal: AbortSignal,
): Promise<{ artifact: Descriptor; sent: number }> {
  const { store, repository, tags } = destination
  const bytes = Buffer.from(JSON.stringify(manifest))
  const artifact = { mediaType: MEDIA_TYPES.imageManifest, digest: digestOf(bytes), size: bytes.length }
  const there = await Promise.all(
    [artifact.digest, ...tags].map((reference) => store.readManifest(repository, reference, signal)),
  )
  const same = there.every((found) => found?.descriptor.digest === artifact.digest)
  const sent = same || there[0] !== null ? 0 : bytes.length
  if (!same) await store.writeManifest(repository, { mediaType: artifact.mediaType, bytes }, tags, signal)
  report({ kind: 'push', digest: artifact.digest, size: artifact.size, sentBytes: sent })
  return { artifact, sent }
}
