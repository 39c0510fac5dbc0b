import type { Descriptor, LayerCompression } from '../../model/descriptor.ts'
import type { Report } from '../../model/event.ts'
import type { ContentStore } from '../../registry/content-store.ts'
import type { SpooledContents } from '../base/layer-content.ts'
import type { BuildRequest } from '../builder.ts'
import type { EarlyUploads } from './early-uploads.ts'
import type { Slots } from './slots.ts'
import { compressedType } from '../image/compress.ts'
import type { Added, Content } from '../image/file-entry.ts'
import type { Layer } from '../image/layer.ts'
import type { LayerCache } from './layer-cache.ts'
import { layerKey, type MadeLayer, makeLayer, settleLayer } from '../image/make-layer.ts'

/** A layer that was packed just now and is no larger is sent: to ask whether it is there by chance costs more. */
const LITTLE_BYTES = 64 * 1024

/** Where images go, and what is kept between builds. */
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
export interface NamedLayer extends Descriptor {
  readonly diffId: string
  /** Whether it was packed just now: then no store had it, as far as we know. */
  readonly isNew: boolean
}

export interface Placed extends NamedLayer {
  readonly cached: boolean
  readonly sentBytes: number
}

/** What brings one layer into the store. */
export interface Placing {
  /** Told the layer's digests as soon as they are known, before anything is sent. */
  readonly name: (layer: NamedLayer) => void
  /** For packing and sending; what is there already waits for nobody. */
  readonly slots: Slots
  readonly signal: AbortSignal
  readonly uploads: EarlyUploads
  /** For work that nobody waits for before the end. */
  readonly beside: (work: Promise<void>) => void
}

/** Whether the repository has a blob, or can have it from another one of its store. */
export async function isThere(
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

/** Finds a layer in the store, or packs it and sends it. */
export async function placeLayer(
  layer: Layer,
  index: number,
  publishing: Publishing,
  { name, slots, uploads, beside, signal }: Placing,
): Promise<Placed> {
  const { destination, cache, compression = 'gzip', report, layerDone } = publishing
  const { repository } = destination
  const beganMs = performance.now()
  const key = layerKey(await layer.name(signal), compression)
  const known = await cache.find(key)
  const mediaType = compressedType(compression)
  const named = ({ digest, size, diffId }: MadeLayer, isNew: boolean) => ({ mediaType, digest, size, diffId, isNew })
  if (known !== null && (await isThere(destination, known, known.repositories, signal))) {
    name(named(known, false))
    layerDone(index, true, performance.now() - beganMs)
    report({ kind: 'push', digest: known.digest, size: known.size, sentBytes: 0 })
    beside(cache.remember(key, known, repository, known))
    return { ...named(known, false), cached: true, sentBytes: 0 }
  }
  const pack = async () => {
    const upload = uploads.layer()
    const added = await layer.entries()
    await publishing.contents.prepare(contentsOf(added), signal)
    const files = await settleLayer(added, signal)
    const form = { compression, temporary: publishing.temporary }
    return makeLayer(files, form, signal, async (made, open) => {
      layerDone(index, false, performance.now() - beganMs)
      name(named(made, true))
      const { digest, size } = made
      const wanted = { digest, size, unasked: size <= LITTLE_BYTES }
      return { ...made, sentBytes: await upload.write(wanted, open, signal) }
    })
  }
  const { sentBytes, ...made } = await slots.during(pack)
  report({ kind: 'push', digest: made.digest, size: made.size, sentBytes })
  beside(cache.remember(key, made, repository, known))
  return { ...named(made, true), cached: false, sentBytes }
}

const contentsOf = (added: Added): readonly Content[] =>
  [...added.values()].flatMap((entry) => (entry.type === 'file' ? entry.content : []))
