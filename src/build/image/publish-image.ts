import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  type Descriptor,
  type ImageConfig,
  type ImageManifest,
  type LayerCompression,
  MEDIA_TYPES,
} from '../../model/descriptor.ts'
import type { Report } from '../../model/event.ts'
import type { ContentStore } from '../../registry/content-store.ts'
import type { BuildRequest, BuildResult } from '../builder.ts'
import type { Added, Content } from './file-entry.ts'
import type { Layer } from './layer.ts'
import { compressedType } from './compress.ts'
import type { LayerCache } from './layer-cache.ts'
import type { SpooledContents } from '../base/layer-content.ts'
import { layerKey, type MadeLayer, makeLayer, settleLayer } from './make-layer.ts'
import { Slots } from '../slots.ts'
import { mapLimited } from './map-limited.ts'
import type { LayerSource } from '../base/read-layer.ts'
import { together } from './together.ts'

/** zlib compresses in threads of its own: two layers keep two cores busy, more would only cost memory. */
const AT_ONCE = 2
/** Layers of which a store is asked at a time whether it has them. */
const MOST_ASKED = 16

/** An image that is decided in every part and not yet packed. */
export interface PlannedImage {
  readonly base: readonly LayerSource[]
  readonly layers: readonly Layer[]
  /** Everything but the layers' digests. */
  readonly config: Omit<ImageConfig, 'rootfs'>
  /** Of the manifest. */
  readonly annotations: Readonly<Record<string, string>>
}

export interface Publishing {
  readonly destination: BuildRequest['destination']
  /** Of the layers that are made. Default gzip. */
  readonly compression?: LayerCompression
  readonly cache: LayerCache
  readonly contents: SpooledContents
  /** Folder for temporary files. */
  readonly temporary: string
  readonly report: Report
  /** Called when the layer of that index is packed, or was found. */
  readonly layerDone: (index: number, cached: boolean, tookMs: number) => void
}

/** What manifest and configuration say of a layer. */
interface NamedLayer extends Descriptor {
  readonly diffId: string
}

interface Placed extends NamedLayer {
  readonly cached: boolean
  readonly sentBytes: number
}

/** What brings one layer into the store. */
interface Placing {
  /** Told the layer's digests as soon as they are known, before anything is sent. */
  readonly name: (layer: NamedLayer) => void
  /** For packing and sending; what is there already waits for nobody. */
  readonly slots: Slots
  readonly signal: AbortSignal
}

type PlaceLayer = (placing: Placing) => Promise<Placed>

type Manifests = readonly Awaited<ReturnType<ContentStore['readManifest']>>[]

/**
 * Brings an image into a store. The configuration goes beside the layers, once all digests are known; the manifest and its
 * tags last. Only what is missing is packed or sent.
 */
export async function publishImage(
  image: PlannedImage,
  publishing: Publishing,
  signal: AbortSignal,
): Promise<Omit<BuildResult, 'images'>> {
  const jobs: readonly PlaceLayer[] = [
    ...image.base.map((source) => (placing: Placing) => placeBase(source, publishing, placing)),
    ...image.layers.map((layer, index) => (placing: Placing) => placeLayer(layer, index, publishing, placing)),
  ]
  const layers = jobs.map((place) => ({ place, name: Promise.withResolvers<NamedLayer>() }))
  const slots = new Slots(AT_ONCE)
  const [placed, described] = await together(
    signal,
    (abort) =>
      mapLimited(layers, MOST_ASKED, abort, ({ place, name }, inner) =>
        place({ name: name.resolve, slots, signal: inner }),
      ).catch((failed) => {
        for (const { name } of layers) name.reject(failed)
        throw failed
      }),
    async (abort) => placeConfig(image, await Promise.all(layers.map(({ name }) => name.promise)), publishing, abort),
  )
  const manifestSent = await placeManifest(described, publishing, signal)
  return {
    artifact: described.artifact,
    sentBytes: placed.reduce((sum, { sentBytes }) => sum + sentBytes, described.configSentBytes + manifestSent),
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
  { name, slots, signal }: Placing,
): Promise<Placed> {
  const { layer, diffId } = source
  const { mediaType, digest, size } = layer
  const others = source.store === destination.store ? [source.repository] : []
  const placed = { mediaType: ociLayerType(mediaType), digest, size, diffId, cached: true }
  name(placed)
  if (await isThere(destination, layer, others, signal)) {
    report({ kind: 'push', digest, size, sentBytes: 0 })
    return { ...placed, sentBytes: 0 }
  }
  const open = () => Readable.from(readLazily(source, signal))
  const write = () => destination.store.writeBlob(destination.repository, { digest, size }, open, signal)
  const sentBytes = await slots.during(write)
  report({ kind: 'push', digest, size, sentBytes })
  return { ...placed, sentBytes }
}

/** A store may ask for the bytes again when it tries again. */
async function* readLazily({ store, repository, layer }: LayerSource, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const part of await store.readBlob(repository, layer.digest, signal)) yield part as Uint8Array
}

const OCI_TYPES: Readonly<Record<string, string>> = {
  [MEDIA_TYPES.dockerLayer]: MEDIA_TYPES.layer,
  [MEDIA_TYPES.dockerLayerGzip]: MEDIA_TYPES.layerGzip,
  [MEDIA_TYPES.dockerLayerZstd]: MEDIA_TYPES.layerZstd,
}
const ociLayerType = (mediaType: string): string => OCI_TYPES[mediaType] ?? mediaType

async function placeLayer(
  layer: Layer,
  index: number,
  publishing: Publishing,
  { name, slots, signal }: Placing,
): Promise<Placed> {
  const { destination, cache, compression = 'gzip', report, layerDone } = publishing
  const { repository } = destination
  const beganMs = performance.now()
  const key = layerKey(await layer.name(signal), compression)
  const known = await cache.find(key)
  const mediaType = compressedType(compression)
  const named = ({ digest, size, diffId }: MadeLayer) => ({ mediaType, digest, size, diffId })
  if (known !== null && (await isThere(destination, known, known.repositories, signal))) {
    name(named(known))
    await cache.remember(key, known, repository)
    layerDone(index, true, performance.now() - beganMs)
    report({ kind: 'push', digest: known.digest, size: known.size, sentBytes: 0 })
    return { ...named(known), cached: true, sentBytes: 0 }
  }
  const pack = async () => {
    const added = await layer.entries()
    await publishing.contents.prepare(contentsOf(added), signal)
    const files = await settleLayer(added, signal)
    const form = { compression, temporary: publishing.temporary }
    return makeLayer(files, form, signal, async (made, open) => {
      layerDone(index, false, performance.now() - beganMs)
      name(named(made))
      return { ...made, sentBytes: await destination.store.writeBlob(repository, made, open, signal) }
    })
  }
  const { sentBytes, ...made } = await slots.during(pack)
  await cache.remember(key, made, repository)
  report({ kind: 'push', digest: made.digest, size: made.size, sentBytes })
  return { ...named(made), cached: false, sentBytes }
}

const contentsOf = (added: Added): readonly Content[] =>
  [...added.values()].flatMap((entry) => (entry.type === 'file' ? entry.content : []))

/** The image's own documents, and how much of them the store has. */
interface Described {
  readonly artifact: Descriptor
  readonly manifest: Uint8Array
  readonly configSentBytes: number
  /** Whether the store has the manifest, and whether all tags name it. */
  readonly stored: boolean
  readonly tagged: boolean
}

function manifestsOf(
  { destination: { store, repository } }: Publishing,
  references: readonly string[],
  signal: AbortSignal,
): Promise<Manifests> {
  return Promise.all(references.map((reference) => store.readManifest(repository, reference, signal)))
}

/** Brings the configuration into the store, and looks for the manifest meanwhile. */
async function placeConfig(
  { config, annotations }: PlannedImage,
  layers: readonly NamedLayer[],
  publishing: Publishing,
  signal: AbortSignal,
): Promise<Described> {
  const { store, repository, tags } = publishing.destination
  const diffIds = layers.map(({ diffId }) => diffId)
  const bytes = Buffer.from(JSON.stringify({ ...config, rootfs: { type: 'layers', diff_ids: diffIds } }))
  const blob = { digest: digestOf(bytes), size: bytes.length }
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.imageManifest,
    config: { mediaType: MEDIA_TYPES.imageConfig, ...blob },
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  }
  const text = Buffer.from(JSON.stringify(manifest))
  const artifact = { mediaType: MEDIA_TYPES.imageManifest, digest: digestOf(text), size: text.length }
  const isIt = (found: Manifests[number]) => found?.descriptor.digest === artifact.digest
  const look = async (abort: AbortSignal) => {
    const named = (await manifestsOf(publishing, tags, abort)).filter(isIt).length
    const [stored = null] = named > 0 ? [] : await manifestsOf(publishing, [artifact.digest], abort)
    return { stored: named > 0 || isIt(stored), tagged: named === tags.length }
  }
  const [configSentBytes, found] = await together(
    signal,
    (abort) => store.writeBlob(repository, blob, () => Readable.from([bytes]), abort),
    look,
  )
  return { artifact, manifest: text, configSentBytes, ...found }
}

/** Writes the manifest unless every tag already names it. Answers the bytes that were new to the store. */
async function placeManifest(
  { artifact, manifest, stored, tagged }: Described,
  { destination: { store, repository, tags }, report }: Publishing,
  signal: AbortSignal,
): Promise<number> {
  const { mediaType, digest, size } = artifact
  if (!stored || !tagged) await store.writeManifest(repository, { mediaType, bytes: manifest }, tags, signal)
  const sentBytes = stored ? 0 : size
  report({ kind: 'push', digest, size, sentBytes })
  return sentBytes
}
