import type { Descriptor, ImageConfig, ImageManifest, Platform } from '../model/descriptor.ts'
import type { ContentStore } from './content-store.ts'
import { findImage } from './find-manifest.ts'
import { parseConfig } from './parse-config.ts'
import { invalid } from './parse-manifest.ts'

/** Configs longer than this are refused (A7): they are held in memory. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024

/** An image for one platform. */
export interface Image {
  /** Of the manifest that fits the platform, also where the reference was an index. */
  readonly descriptor: Descriptor
  readonly manifest: ImageManifest
  readonly config: ImageConfig
}

/** Manifest and settings of an image by tag or digest. Throws IMAGE_NOT_FOUND (also for the platform), IMAGE_INVALID, and what the store throws. */
export async function readImage(
  store: ContentStore,
  repository: string,
  reference: string,
  platform: Platform,
  signal: AbortSignal,
): Promise<Image> {
  const { descriptor, parsed } = await findImage(store, repository, reference, platform, signal)
  const { mediaType, config, layers, annotations } = parsed
  const bytes = await readConfig(store, repository, config, signal)
  return {
    descriptor,
    manifest: { schemaVersion: 2, mediaType, config, layers, ...(annotations === null ? {} : { annotations }) },
    config: parseConfig(bytes, layers.length),
  }
}

/** The bytes of an image's configuration. */
export async function readConfig(
  store: ContentStore,
  repository: string,
  config: Descriptor,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (config.size > MAX_CONFIG_BYTES) throw invalid(`the config of ${repository} has ${config.size} bytes`)
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of (await store.readBlob(repository, config.digest, signal)) as AsyncIterable<Uint8Array>) {
    size += piece.length
    if (size > config.size) break
    pieces.push(piece)
  }
  if (size !== config.size) throw invalid(`the config of ${repository} is not ${config.size} bytes long`)
  return Buffer.concat(pieces)
}
