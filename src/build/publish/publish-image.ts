import type { BuildResult } from '../builder.ts'
import { Slots } from './slots.ts'
import { imageDocuments, type PlannedImage } from './image-documents.ts'
import { Besides } from './besides.ts'
import { EarlyUploads } from './early-uploads.ts'
import { mapLimited } from '../image/map-limited.ts'
import { placeBase } from './place-base.ts'
import { manifestsOf, placeConfig, placeManifest } from './place-documents.ts'
import { type NamedLayer, type Placed, placeLayer, type Placing, type Publishing } from './place-layer.ts'
import { together } from '../image/together.ts'

/** zlib compresses in threads of its own: two layers keep two cores busy, more would only cost memory. */
const AT_ONCE = 2
/** Layers of which a store is asked at a time whether it has them. */
const MOST_ASKED = 16

type PlaceLayer = (placing: Placing) => Promise<Placed>

/**
 * Brings an image into a store. What the tags name is asked at once; the configuration goes beside the layers, once all
 * digests are known; the manifest and its tags last. Only what is missing is packed or sent.
 */
export async function publishImage(
  image: PlannedImage,
  publishing: Publishing,
  signal: AbortSignal,
): Promise<Omit<BuildResult, 'images'>> {
  const { destination } = publishing
  const jobs: readonly PlaceLayer[] = [
    ...image.base.map((source) => (placing: Placing) => placeBase(source, publishing, placing)),
    ...image.layers.map((layer, index) => (placing: Placing) => placeLayer(layer, index, publishing, placing)),
  ]
  const layers = jobs.map((place) => ({ place, name: Promise.withResolvers<NamedLayer>() }))
  // The last ones change most often: they begin.
  const order = layers.toReversed()
  const slots = new Slots(AT_ONCE)
  await using besides = new Besides()
  await using uploads = new EarlyUploads(destination, signal)
  const [placedLast, { documents, found }] = await together(
    signal,
    (abort) =>
      mapLimited(order, MOST_ASKED, abort, ({ place, name }, inner) =>
        place({ name: name.resolve, slots, uploads, beside: besides.begin, signal: inner }),
      ).catch((failed) => {
        for (const { name } of layers) name.reject(failed)
        throw failed
      }),
    async (abort) => {
      const asking = manifestsOf(destination, destination.tags, abort)
      const [named, ...known] = await Promise.all([asking, ...layers.map(({ name }) => name.promise)])
      const documents = imageDocuments(image, known)
      const isNew = known.some((layer) => layer.isNew)
      return {
        documents,
        found: await placeConfig(documents, { named, isNew, upload: uploads.config() }, destination, abort),
      }
    },
  )
  const placed = placedLast.toReversed()
  const manifestSent = await placeManifest(documents, found, publishing, signal)
  await besides.ended()
  const { mediaType, digest, size } = documents.manifest
  return {
    artifact: { mediaType, digest, size },
    sentBytes: placed.reduce((sum, { sentBytes }) => sum + sentBytes, found.configSentBytes + manifestSent),
    layers: placed.map((layer) => ({ digest: layer.digest, size: layer.size, cached: layer.cached })),
  }
}
