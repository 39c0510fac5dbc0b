import {
  type Descriptor,
  type ImageConfig,
  isDigest,
  type ImageManifest,
  MEDIA_TYPES,
  type Platform,
} from '../../model/descriptor.ts'
import { DeployError } from '../../model/failure.ts'
import { formatReference, type Reference } from '../../model/reference.ts'
import type { ContentStore } from '../../registry/content-store.ts'
import type { LayerSource } from './read-layer.ts'

/** An image that a stage stands on. */
export interface BaseImage {
  readonly config: ImageConfig
  readonly layers: readonly LayerSource[]
}

const MANIFESTS = new Set<string>([MEDIA_TYPES.imageManifest, MEDIA_TYPES.dockerManifest])
const INDEXES = new Set<string>([MEDIA_TYPES.imageIndex, MEDIA_TYPES.dockerManifestList])
/** A configuration beyond this is none. */
const MOST_CONFIG_BYTES = 8 * 2 ** 20

/** Finds an image in the store, in an index the one for the platform. Throws BUILD_BASE_NOT_FOUND, IMAGE_INVALID. */
export async function readBase(
  store: ContentStore,
  reference: Reference,
  platform: Platform,
  signal: AbortSignal,
): Promise<BaseImage> {
  const { repository, registry } = reference
  if (registry !== null) throw notFound(reference, 'base images are read from the embedded registry only')
  const found = await store.readManifest(repository, reference.digest ?? reference.tag ?? 'latest', signal)
  if (found === null) throw notFound(reference, 'the embedded registry has no such image')
  const manifest = await imageManifest(store, reference, platform, found, signal)
  const config = parse<ImageConfig>(await readAll(store, repository, manifest.config, signal), reference)
  const diffIds = config.rootfs?.diff_ids
  if (!Array.isArray(diffIds) || diffIds.length !== manifest.layers.length || !diffIds.every(isDigest)) {
    throw invalid(reference, `has ${manifest.layers.length} layers and names ${diffIds?.length ?? 0} of them`)
  }
  const layers = manifest.layers.map((layer, at) => ({ store, repository, layer, diffId: diffIds[at] ?? '' }))
  return { config, layers }
}

type Manifest = NonNullable<Awaited<ReturnType<ContentStore['readManifest']>>>

async function imageManifest(
  store: ContentStore,
  reference: Reference,
  platform: Platform,
  found: Manifest,
  signal: AbortSignal,
): Promise<ImageManifest> {
  const { mediaType } = found.descriptor
  if (MANIFESTS.has(mediaType)) {
    const manifest = parse<ImageManifest>(found.bytes, reference)
    if (Array.isArray(manifest.layers) && typeof manifest.config?.digest === 'string') return manifest
    throw invalid(reference, 'has a manifest without layers or configuration')
  }
  if (!INDEXES.has(mediaType)) throw invalid(reference, `is of the type ${mediaType}, which is no image`)
  const { manifests = [] } = parse<{ manifests?: readonly Descriptor[] }>(found.bytes, reference)
  const chosen = manifests.find((one) => one.platform !== undefined && matches(one.platform, platform))
  const name = platformName(platform)
  if (chosen === undefined) {
    const has = manifests.flatMap((one) => (one.platform === undefined ? [] : platformName(one.platform)))
    throw notFound(reference, `it has nothing for ${name}, only ${has.join(', ') || 'nothing with a platform'}`)
  }
  const inner = await store.readManifest(reference.repository, chosen.digest, signal)
  if (inner === null) throw notFound(reference, `its manifest for ${name} is missing`)
  if (INDEXES.has(inner.descriptor.mediaType)) throw invalid(reference, 'is an index inside an index')
  return imageManifest(store, reference, platform, inner, signal)
}

const matches = (has: Platform, wanted: Platform): boolean =>
  has.os === wanted.os &&
  has.architecture === wanted.architecture &&
  (wanted.variant === undefined || has.variant === undefined || has.variant === wanted.variant)

/** `linux/arm64/v8`, as `--platform` takes it. */
export const platformName = ({ os, architecture, variant }: Platform): string =>
  `${os}/${architecture}${variant === undefined ? '' : `/${variant}`}`

async function readAll(
  store: ContentStore,
  repository: string,
  { digest, size }: Descriptor,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (size > MOST_CONFIG_BYTES)
    throw new DeployError('IMAGE_INVALID', `the configuration ${digest} has ${size} bytes`, {
      hint: 'That is no image.',
    })
  const parts: Uint8Array[] = []
  for await (const part of await store.readBlob(repository, digest, signal)) parts.push(part as Uint8Array)
  return Buffer.concat(parts)
}

function parse<Value>(bytes: Uint8Array, reference: Reference): Value {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    if (typeof value === 'object' && value !== null) return value as Value
  } catch (failed) {
    throw invalid(reference, 'is no JSON', failed)
  }
  throw invalid(reference, 'is no JSON object')
}

function notFound(reference: Reference, why: string): DeployError {
  const name = formatReference(reference)
  return new DeployError('BUILD_BASE_NOT_FOUND', `the base image ${name} was not found: ${why}`, {
    hint: 'See what is there: naru image list. Make one from a program of this machine: naru image base; or push one: skopeo copy docker://… docker://…',
    detail: { image: name },
  })
}

function invalid(reference: Reference, problem: string, cause?: unknown): DeployError {
  return new DeployError('IMAGE_INVALID', `the image ${formatReference(reference)} ${problem}`, {
    hint: 'Push the image again.',
    cause,
  })
}
