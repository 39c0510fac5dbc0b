import { Readable } from 'node:stream'
import { MEDIA_TYPES } from '../../model/descriptor.ts'
import type { LayerSource } from '../base/read-layer.ts'
import { isThere, type Placed, type Placing, type Publishing } from './place-layer.ts'

/** Brings a layer of the image that is built upon into the store, as it is. */
export async function placeBase(
  source: LayerSource,
  { destination, report }: Publishing,
  { name, slots, signal }: Placing,
): Promise<Placed> {
  const { layer, diffId } = source
  const { mediaType, digest, size } = layer
  const others = source.store === destination.store ? [source.repository] : []
  const placed = {
    mediaType: ociLayerType(mediaType),
    digest,
    size,
    diffId,
    isNew: false,
    cached: true,
  }
  name(placed)
  if (await isThere(destination, layer, others, signal)) {
    report({ kind: 'push', digest, size, sentBytes: 0 })
    return { ...placed, sentBytes: 0 }
  }
  const open = () => Readable.from(readLazily(source, signal))
  const write = () => destination.store.writeBlob(destination.repository, { digest, size, unasked: true }, open, signal)
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
