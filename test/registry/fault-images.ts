import { MEDIA_TYPES } from '../../src/model/descriptor.ts'
import { digestOf } from '../../src/registry/digest.ts'

/** What every run has the same, so that it can be told afterwards whether all of it is there. */
export const CONFIG = Buffer.from('{"architecture":"amd64","os":"linux"}')
export const LAYER = Buffer.alloc(3000, 'layer')
/** More than one piece of memory. */
export const NEW_LAYER = Buffer.alloc(700_000, 'new')

const named = (bytes: Buffer, mediaType: string) => ({ mediaType, digest: digestOf(bytes), size: bytes.length })

export function imageOf(config: Buffer, layers: readonly Buffer[], subject?: Buffer): Buffer {
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.imageManifest,
    config: named(config, MEDIA_TYPES.imageConfig),
    layers: layers.map((layer) => named(layer, MEDIA_TYPES.layer)),
    ...(subject === undefined ? {} : { subject: named(subject, MEDIA_TYPES.imageManifest) }),
  }
  return Buffer.from(JSON.stringify(manifest))
}

export const OLD = imageOf(CONFIG, [LAYER])
/** It refers to the old image, and nothing else leads to it. */
export const SIGNATURE = imageOf(CONFIG, [], OLD)
export const NEW = imageOf(CONFIG, [LAYER, LAYER], SIGNATURE)
