import { createHash } from 'node:crypto'
import { type Descriptor, type ImageConfig, type ImageManifest, MEDIA_TYPES } from '../../model/descriptor.ts'
import type { LayerSource } from '../base/read-layer.ts'
import type { Layer } from '../image/layer.ts'
import type { NamedLayer } from './place-layer.ts'

/** An image that is decided in every part and not yet packed. */
export interface PlannedImage {
  readonly base: readonly LayerSource[]
  readonly layers: readonly Layer[]
  /** Everything but the layers' digests. */
  readonly config: Omit<ImageConfig, 'rootfs'>
  /** Of the manifest. */
  readonly annotations: Readonly<Record<string, string>>
}

interface Document extends Descriptor {
  readonly bytes: Uint8Array
}

/** The image's own documents. */
export interface ImageDocuments {
  readonly config: Document
  readonly manifest: Document
}

/** Configuration (OCI image-spec config.md) and manifest (manifest.md) of an image with these layers. */
export function imageDocuments({ config, annotations }: PlannedImage, layers: readonly NamedLayer[]): ImageDocuments {
  const diffIds = layers.map(({ diffId }) => diffId)
  const rootfs = { type: 'layers', diff_ids: diffIds }
  const configDocument = documentOf(MEDIA_TYPES.imageConfig, { ...config, rootfs })
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.imageManifest,
    config: descriptorOf(configDocument),
    layers: layers.map(descriptorOf),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  }
  return { config: configDocument, manifest: documentOf(MEDIA_TYPES.imageManifest, manifest) }
}

function documentOf(mediaType: string, value: unknown): Document {
  const bytes = Buffer.from(JSON.stringify(value))
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  return { mediaType, digest, size: bytes.length, bytes }
}

const descriptorOf = ({ mediaType, digest, size }: Descriptor): Descriptor => ({ mediaType, digest, size })
