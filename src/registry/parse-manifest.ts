import { type Descriptor, isDigest, MEDIA_TYPES } from '../model/descriptor.ts'
import { DeployError } from '../model/failure.ts'

/** A manifest as a graph node: what it names. Kinds of the OCI image specification (manifest.md, image-index.md); Docker's v2 schema 2 has the same members. */
export type ParsedManifest =
  | {
      readonly kind: 'image'
      readonly mediaType: string
      readonly subject: Descriptor | null
      readonly artifactType: string | null
      readonly annotations: Readonly<Record<string, string>> | null
      readonly config: Descriptor
      readonly layers: readonly Descriptor[]
    }
  | {
      readonly kind: 'index'
      readonly mediaType: string
      readonly subject: Descriptor | null
      readonly artifactType: string | null
      readonly annotations: Readonly<Record<string, string>> | null
      readonly manifests: readonly Descriptor[]
    }

/** What the distribution specification lets a registry refuse ("Pushing Manifests": at least 4 MiB must be taken). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

const IMAGES: readonly string[] = [MEDIA_TYPES.imageManifest, MEDIA_TYPES.dockerManifest]
const INDEXES: readonly string[] = [MEDIA_TYPES.imageIndex, MEDIA_TYPES.dockerManifestList]
/** All media types that `parseManifest` reads, as an Accept header. */
export const ACCEPTED_MANIFESTS = [...IMAGES, ...INDEXES].join(', ')

const FOREIGN = /nondistributable|foreign/

/** Layers that the image specification lets a registry not have (layer.md, "Non-Distributable Layers"). */
export const isForeign = (layer: Descriptor): boolean => FOREIGN.test(layer.mediaType)

/** Reads a manifest of the given media type; every digest in it has passed `isDigest`. Throws IMAGE_INVALID with the member that is wrong. */
export function parseManifest(mediaType: string, bytes: Uint8Array): ParsedManifest {
  if (bytes.length > MAX_MANIFEST_BYTES) {
    throw invalid(`the manifest has ${bytes.length} bytes, at most ${MAX_MANIFEST_BYTES} are taken`)
  }
  const kind = IMAGES.includes(mediaType) ? 'image' : INDEXES.includes(mediaType) ? 'index' : null
  if (kind === null)
    throw invalid(`manifests of the media type ${JSON.stringify(mediaType.slice(0, 100))} are not known`)
  const body = parseObject(bytes, 'the manifest')
  checkVersion(body.schemaVersion)
  if (body.mediaType !== undefined && body.mediaType !== mediaType) {
    throw invalid(`mediaType is ${JSON.stringify(body.mediaType)}, but the manifest was given as ${mediaType}`)
  }
  const subject = body.subject === undefined ? null : parseDescriptor(body.subject, 'subject')
  const annotations = parseAnnotations(body.annotations, 'annotations') ?? null
  const artifactType = optionalText(body.artifactType, 'artifactType') ?? null
  const common = { mediaType, subject, artifactType, annotations }
  if (kind === 'index') {
    if (body.layers !== undefined) throw invalid('an index has no layers')
    return { kind, ...common, manifests: parseDescriptors(body.manifests, 'manifests') }
  }
  if (body.manifests !== undefined) throw invalid('an image manifest has no manifests')
  const layers = parseDescriptors(body.layers, 'layers')
  return { kind, ...common, config: parseDescriptor(body.config, 'config'), layers }
}

function checkVersion(version: unknown): void {
  if (version === 1) throw schemaOne()
  if (version !== 2) throw invalid('schemaVersion is not 2')
}

/** The media type in the manifest itself, for places that do not tell it (an OCI layout, a registry without Content-Type). */
export function mediaTypeOf(bytes: Uint8Array): string {
  if (bytes.length > MAX_MANIFEST_BYTES) throw invalid(`the manifest has ${bytes.length} bytes`)
  const body = parseObject(bytes, 'the manifest')
  if (typeof body.mediaType === 'string') return body.mediaType
  return body.manifests === undefined ? MEDIA_TYPES.imageManifest : MEDIA_TYPES.imageIndex
}

/** A JSON object from bytes, or IMAGE_INVALID. Its members are read as own members only: `__proto__` is a key like any other. */
export function parseObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw invalid(`${what} is no JSON`, cause)
  }
  return asObject(value, what)
}

/** The members of an object without its prototype, or IMAGE_INVALID. */
export function asObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${what} is no object`)
  return Object.assign(Object.create(null), value)
}

/** Whether a media type is that of Docker's first form of manifests, signed or not. */
export const isSchemaOne = (mediaType: string): boolean =>
  mediaType.startsWith('application/vnd.docker.distribution.manifest.v1+')

/** IMAGE_INVALID for an image that was pushed by Docker before 1.10 (2016): its layers have no digests of their content. */
export const schemaOne = (): DeployError =>
  new DeployError('IMAGE_INVALID', 'the image has a manifest of Docker schema 1, the form before 2016', {
    hint: 'Push it again in the present form: skopeo copy --format v2s2 docker://IMAGE docker://IMAGE, or build it again.',
  })

/** IMAGE_INVALID. */
export const invalid = (message: string, cause?: unknown): DeployError =>
  new DeployError('IMAGE_INVALID', message, {
    hint: 'Build or push the image again with a tool that follows the OCI image specification.',
    cause,
  })

function parseDescriptors(value: unknown, where: string): readonly Descriptor[] {
  if (!Array.isArray(value)) throw invalid(`${where} is no list`)
  return value.map((item, index) => parseDescriptor(item, `${where}[${index}]`))
}

function parseDescriptor(value: unknown, where: string): Descriptor {
  const body = asObject(value, where)
  const { mediaType, digest, size } = body
  if (typeof mediaType !== 'string' || mediaType === '') throw invalid(`${where}.mediaType is missing`)
  if (typeof digest !== 'string' || !isDigest(digest)) throw invalid(`${where}.digest is no sha256 or sha512 digest`)
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw invalid(`${where}.size is no size`)
  const annotations = parseAnnotations(body.annotations, `${where}.annotations`)
  const artifactType = optionalText(body.artifactType, `${where}.artifactType`)
  const platform = parsePlatform(body.platform, `${where}.platform`)
  return {
    mediaType,
    digest,
    size,
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(platform === undefined ? {} : { platform }),
  }
}

function parsePlatform(value: unknown, where: string): Descriptor['platform'] {
  if (value === undefined) return undefined
  const body = asObject(value, where)
  const os = optionalText(body.os, `${where}.os`) ?? ''
  const architecture = optionalText(body.architecture, `${where}.architecture`) ?? ''
  const variant = optionalText(body.variant, `${where}.variant`)
  return { os, architecture, ...(variant === undefined ? {} : { variant }) }
}

function parseAnnotations(value: unknown, where: string): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined
  const entries = Object.entries(asObject(value, where))
  for (const [key, text] of entries) if (typeof text !== 'string') throw invalid(`${where}.${key} is no text`)
  return Object.fromEntries(entries) as Record<string, string>
}

function optionalText(value: unknown, where: string): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string') throw invalid(`${where} is no text`)
  return value
}
