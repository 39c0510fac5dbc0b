import type { ImageConfig } from '../model/descriptor.ts'
import type { StageImage } from './evaluate-stage.ts'
import type { PlannedImage } from './publish/image-documents.ts'

/** Everything of the image but the digests of its layers. */
export function plannedImage(image: StageImage, epochSeconds: number): PlannedImage {
  const created = new Date(epochSeconds * 1000).toISOString().replace('.000Z', 'Z')
  const { os, architecture, variant } = image.platform
  const config: Omit<ImageConfig, 'rootfs'> = {
    created,
    ...(image.author === null ? {} : { author: image.author }),
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    config: image.settings,
    history: [
      ...image.baseHistory,
      // What waits for another build is told by OnBuild alone (BuildKit's rule).
      ...image.records
        .filter(({ instruction }) => instruction.kind !== 'onbuild')
        .map(({ instruction, layer, part }) => ({
          created,
          created_by: instruction.text,
          comment: part === undefined ? 'naru' : `naru: ${part}`,
          ...(layer === null ? { empty_layer: true } : {}),
        })),
    ],
  }
  return {
    base: image.base,
    layers: image.records.flatMap(({ layer }) => layer ?? []),
    config,
    annotations: baseAnnotations(image),
  }
}

/** What the image stands on, by the annotations of the OCI image specification (annotations.md). */
const baseAnnotations = ({ from }: StageImage): Readonly<Record<string, string>> =>
  from === null
    ? {}
    : { 'org.opencontainers.image.base.digest': from.digest, 'org.opencontainers.image.base.name': from.name }
