import { Readable } from 'node:stream'
import type { BegunBlob, ContentStore } from '../../registry/content-store.ts'
import type { ImageDocuments } from './image-documents.ts'
import type { Publishing } from './place-layer.ts'
import { together } from '../image/together.ts'

/** Manifests as a store has them; null: not there. */
export type Manifests = readonly Awaited<ReturnType<ContentStore['readManifest']>>[]

export function manifestsOf(
  { store, repository }: Publishing['destination'],
  references: readonly string[],
  signal: AbortSignal,
): Promise<Manifests> {
  return Promise.all(references.map((reference) => store.readManifest(repository, reference, signal)))
}

/** How much of the documents a store has, after the configuration was brought there. */
export interface PlacedDocuments {
  readonly configSentBytes: number
  /** Whether the store has the manifest, and whether all tags name it. */
  readonly stored: boolean
  readonly tagged: boolean
}

/** Brings the configuration into the store. `named`: what the tags name now. `isNew`: with a layer that no store had. `upload`: of the configuration. */
export async function placeConfig(
  { config, manifest }: ImageDocuments,
  { named, isNew, upload }: { readonly named: Manifests; readonly isNew: boolean; readonly upload: BegunBlob },
  { store, repository }: Publishing['destination'],
  signal: AbortSignal,
): Promise<PlacedDocuments> {
  const isIt = (found: Manifests[number]) => found?.descriptor.digest === manifest.digest
  const count = named.filter(isIt).length
  const open = () => Readable.from([config.bytes])
  const unasked = count === 0 && isNew
  const [configSentBytes, stored] = await together(
    signal,
    (abort) => upload.write({ digest: config.digest, size: config.size, unasked }, open, abort),
    async (abort) => count > 0 || (!unasked && isIt(await store.readManifest(repository, manifest.digest, abort))),
  )
  return { configSentBytes, stored, tagged: count === named.length }
}

/** Writes the manifest unless every tag already names it. Answers the bytes that were new to the store. */
export async function placeManifest(
  { manifest }: ImageDocuments,
  { stored, tagged }: PlacedDocuments,
  { destination: { store, repository, tags }, report }: Publishing,
  signal: AbortSignal,
): Promise<number> {
  const { mediaType, digest, size, bytes } = manifest
  if (!stored || !tagged) await store.writeManifest(repository, { mediaType, bytes }, tags, signal)
  const sentBytes = stored ? 0 : size
  report({ kind: 'push', digest, size, sentBytes })
  return sentBytes
}
