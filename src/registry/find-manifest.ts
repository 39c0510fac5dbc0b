import { type Descriptor, type Platform, platformText } from '../model/descriptor.ts'
import { DeployError } from '../model/failure.ts'
import type { ContentStore } from './content-store.ts'
import { invalid, type ParsedManifest, parseManifest } from './parse-manifest.ts'
import { pickPlatform } from './pick-platform.ts'

/** Indexes that may lie inside one another (A7). */
export const MAX_DEPTH = 4

export interface FoundManifest {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
  readonly parsed: ParsedManifest
}

/** A manifest by tag or digest, read and checked. Throws IMAGE_NOT_FOUND, IMAGE_INVALID. */
export async function findManifest(
  store: Pick<ContentStore, 'readManifest'>,
  repository: string,
  reference: string,
  signal: AbortSignal,
): Promise<FoundManifest> {
  const found = await store.readManifest(repository, reference, signal)
  if (found !== null) return { ...found, parsed: parseManifest(found.descriptor.mediaType, found.bytes) }
  const separator = reference.includes(':') ? '@' : ':'
  throw new DeployError('IMAGE_NOT_FOUND', `there is no image ${repository}${separator}${reference}`, {
    hint: 'Check the name and the tag; naru image list shows what the embedded registry has.',
    detail: { repository, reference },
  })
}

/** The manifest of one image. */
export type FoundImage = FoundManifest & { readonly parsed: ParsedManifest & { kind: 'image' } }

/** As `findManifest`, and where it is an index, the image in it that fits the platform. */
export async function findImage(
  store: Pick<ContentStore, 'readManifest'>,
  repository: string,
  reference: string,
  platform: Platform,
  signal: AbortSignal,
): Promise<FoundImage> {
  return (await findPath(store, repository, reference, platform, signal)).image
}

/** The image that fits the platform, and the indexes that led to it, outermost first. */
export async function findPath(
  store: Pick<ContentStore, 'readManifest'>,
  repository: string,
  reference: string,
  platform: Platform,
  signal: AbortSignal,
): Promise<{ readonly indexes: readonly FoundManifest[]; readonly image: FoundImage }> {
  const indexes: FoundManifest[] = []
  let wanted = reference
  while (indexes.length <= MAX_DEPTH) {
    const { parsed, ...found } = await findManifest(store, repository, wanted, signal)
    if (parsed.kind === 'image') return { indexes, image: { ...found, parsed } }
    indexes.push({ ...found, parsed })
    const picked = pickPlatform(parsed.manifests, platform)
    if (picked === null) throw notForPlatform(repository, reference, platform, parsed.manifests)
    wanted = picked.digest
  }
  throw invalid(`the indexes of ${repository} lie more than ${MAX_DEPTH} deep in one another`)
}

/** What runs nowhere are attestations. */
const isRunnable = (platform: Platform | undefined): platform is Platform =>
  platform !== undefined && platform.os !== 'unknown' && platform.os !== ''

function notForPlatform(repository: string, reference: string, platform: Platform, manifests: readonly Descriptor[]) {
  const there = [...new Set(manifests.flatMap(({ platform: has }) => (isRunnable(has) ? [platformText(has)] : [])))]
  return new DeployError('IMAGE_NOT_FOUND', `${repository} ${reference} has no image for ${platformText(platform)}`, {
    hint: `It has images for: ${there.slice(0, 20).join(', ') || 'no platform'}. Build it for ${platformText(platform)}.`,
    detail: { repository, reference, platform: platformText(platform) },
  })
}
