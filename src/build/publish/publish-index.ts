import { createHash } from 'node:crypto'
import { type Descriptor, MEDIA_TYPES, type Platform, platformText } from '../../model/descriptor.ts'
import type { Report } from '../../model/event.ts'
import { DeployError } from '../../model/failure.ts'
import type { BuildRequest, BuildResult } from '../builder.ts'

/** Writes the index of images that are stored, with the tags, and answers it as one result. */
export async function publishIndex(
  manifests: readonly Descriptor[],
  results: readonly BuildResult[],
  { store, repository, tags }: BuildRequest['destination'],
  report: Report,
  signal: AbortSignal,
): Promise<BuildResult> {
  const mediaType = MEDIA_TYPES.imageIndex
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  const isStored = (await store.readManifest(repository, digest, signal)) !== null
  await store.writeManifest(repository, { mediaType, bytes }, tags, signal)
  const sentBytes = isStored ? 0 : bytes.length
  report({ kind: 'push', digest, size: bytes.length, sentBytes })
  return {
    artifact: { mediaType, digest, size: bytes.length },
    sentBytes: results.reduce((sum, result) => sum + result.sentBytes, sentBytes),
    layers: results.flatMap(({ layers }) => layers),
    images: Object.assign({}, ...results.map(({ images }) => images)),
  }
}

/** An index that calls an image one for a platform that it is not for would break where it runs. */
export function refuseOtherPlatform(has: Platform, wanted: Platform, { platforms, dockerfile }: BuildRequest): void {
  const isIt = has.os === wanted.os && has.architecture === wanted.architecture
  if (isIt || (platforms ?? []).length === 0) return
  const what = `the image for ${platformText(wanted)} stands on one for ${platformText(has)}`
  throw new DeployError('BUILD_BASE_NOT_FOUND', `${dockerfile}: ${what}`, {
    hint: 'Use a base image that is there for each of build.platforms, or take the platform out.',
    detail: { platform: platformText(wanted) },
  })
}

/** Steps are told with the platform that they are for. */
export const tellingPlatform =
  (platform: Platform, report: Report): Report =>
  (happening) =>
    report(
      happening.kind === 'build'
        ? { ...happening, stage: `${platformText(platform)} ${happening.stage}`.trim() }
        : happening,
    )
