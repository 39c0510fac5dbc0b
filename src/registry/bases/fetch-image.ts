import { Readable } from 'node:stream'
import type { Descriptor, Platform } from '../../model/descriptor.ts'
import type { ContentStore } from '../content-store.ts'
import { copyBlobs, opener } from '../copy-image.ts'
import type { DiskStore } from '../disk/disk-store.ts'
import { findPath, type FoundImage, type FoundManifest } from '../find-manifest.ts'
import { invalid, isForeign } from '../parse-manifest.ts'

/** What no image has that can be started: an overlay takes 500 folders (A7). */
const MOST_LAYERS = 500

/** Which image goes where in the embedded registry. */
export interface Fetch {
  readonly images: DiskStore
  /** The repository of its copies. */
  readonly repository: string
  readonly tag: string
  readonly digest: string
  readonly platform: Platform
}

/** A registry with one of its repositories. */
export interface Origin {
  readonly store: ContentStore
  readonly repository: string
}

/** Bytes that were missing, and of them those that have arrived. */
export type Progress = (receivedBytes: number, missingBytes: number) => void

/** The image of a digest out of its copy, when all of it is there; null: it is not. Marks the copy as used. */
export async function storedImage(
  { images, repository, tag, digest, platform }: Fetch,
  signal: AbortSignal,
): Promise<FoundImage | null> {
  const { image } = await findPath(images, repository, digest, platform, signal).catch(unlessMissing)
  if (image === null) return null
  for (const blob of blobsOf(image)) {
    if ((await images.statBlob(repository, blob.digest, signal)) === null) return null
  }
  await images.useTag(repository, tag, digest)
  return image
}

/**
 * Copies the image of a digest, of an index only what the platform needs: blobs first, several at a time, then the manifests,
 * the tag last. Blobs that any repository has do not travel.
 */
export async function fetchImage(
  fetch: Fetch,
  origin: Origin,
  progress: Progress,
  signal: AbortSignal,
): Promise<FoundImage> {
  const { images, repository, digest, platform } = fetch
  const { indexes, image } = await findPath(localFirst(fetch, origin), origin.repository, digest, platform, signal)
  await copyMissing(fetch, origin, image, progress, signal)
  for (const manifest of [image, ...indexes.toReversed()]) await place(fetch, manifest, signal)
  await images.useTag(repository, fetch.tag, digest)
  return image
}

/** The image of a digest as `fetchImage` would copy it, read without its blobs and without keeping anything. */
export async function identifyImage(fetch: Fetch, origin: Origin, signal: AbortSignal): Promise<FoundImage> {
  return (await findPath(localFirst(fetch, origin), origin.repository, fetch.digest, fetch.platform, signal)).image
}

/** Manifests that are here are not asked for: each is a pull to a registry that counts. */
const localFirst = ({ images, repository }: Fetch, { store }: Origin): Pick<ContentStore, 'readManifest'> => ({
  readManifest: async (there, reference, signal) =>
    (await images.readManifest(repository, reference, signal)) ?? store.readManifest(there, reference, signal),
})

async function copyMissing(
  { images, repository }: Fetch,
  origin: Origin,
  image: FoundImage,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const missing: Descriptor[] = []
  for (const blob of blobsOf(image)) {
    if (!(await images.mountAnyBlob(repository, blob.digest, signal))) missing.push(blob)
  }
  const missingBytes = missing.reduce((sum, { size }) => sum + size, 0)
  let receivedBytes = 0
  progress(receivedBytes, missingBytes)
  const counted = async function* (pieces: AsyncIterable<Uint8Array>) {
    for await (const piece of pieces) {
      receivedBytes += piece.length
      progress(receivedBytes, missingBytes)
      yield piece
    }
  }
  await copyBlobs(
    missing,
    (blob, abort) => {
      const open = opener(origin, blob.digest, abort)
      const counting = () => Readable.from(counted(open()), { objectMode: false })
      return images.writeBlob(repository, blob, counting, abort)
    },
    signal,
  )
}

/** An index is stored sparse: what it names for other platforms stays where it is. */
async function place({ images, repository }: Fetch, manifest: FoundManifest, signal: AbortSignal): Promise<void> {
  const { descriptor, bytes } = manifest
  const { mediaType, digest } = descriptor
  await images.putManifest(repository, { mediaType, digest, bytes, sparse: true }, [], signal)
}

function blobsOf({ parsed, descriptor }: FoundImage): readonly Descriptor[] {
  const { config, layers } = parsed
  if (layers.length > MOST_LAYERS) throw invalid(`the image ${descriptor.digest} has ${layers.length} layers`)
  const foreign = layers.find(isForeign)
  if (foreign !== undefined)
    throw invalid(`the layer ${foreign.digest} is not given out by registries (${foreign.mediaType})`)
  return [...new Map([config, ...layers].map((blob) => [blob.digest, blob])).values()]
}

function unlessMissing(failed: unknown): { readonly image: null } {
  const { code } = failed as { code?: unknown }
  // The index may be here without this platform's image.
  if (code === 'IMAGE_NOT_FOUND') return { image: null }
  throw failed
}
