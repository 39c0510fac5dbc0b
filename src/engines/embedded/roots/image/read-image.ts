import type { Descriptor, ImageConfig, ImageManifest } from '../../../../model/descriptor.ts'
import { DeployError } from '../../../../model/failure.ts'
import type { Release } from '../../../../model/release.ts'
import type { ContentStore } from '../../../../registry/content-store.ts'
import type { ImageLayer } from '../layers/layer-store.ts'

type Images = Pick<ContentStore, 'readBlob' | 'readManifest'>

export interface Image {
  readonly config: ImageConfig
  /** The lowest first. */
  readonly layers: readonly ImageLayer[]
}

const MOST_CONFIG_BYTES = 8 * 1024 * 1024
const MOST_LAYERS = 500

/** Manifest and config of a release's image; of an index, the entry for this machine. Throws IMAGE_NOT_FOUND, IMAGE_INVALID, REPLICA_WRONG_ARCHITECTURE. */
export async function readImage(images: Images, release: Release, signal: AbortSignal): Promise<Image> {
  const { repository, artifact } = release
  const manifest = await readImageManifest(images, repository, artifact, signal)
  const config = await readConfig(images, repository, manifest.config, signal)
  const diffIds = config.rootfs?.diff_ids
  if (!Array.isArray(diffIds) || diffIds.length !== manifest.layers.length || diffIds.length > MOST_LAYERS)
    throw invalid(`its config names ${diffIds?.length ?? 0} layers, its manifest ${manifest.layers.length}`)
  return { config, layers: manifest.layers.map((descriptor, at) => ({ descriptor, diffId: String(diffIds[at]) })) }
}

async function readImageManifest(
  images: Images,
  repository: string,
  wanted: Descriptor,
  signal: AbortSignal,
  nested = false,
): Promise<ImageManifest> {
  const found = await images.readManifest(repository, wanted.digest, signal)
  if (found === null)
    throw new DeployError('IMAGE_NOT_FOUND', `the image ${repository}@${wanted.digest} is not in the registry`, {
      hint: 'Deploy the commit again: its image is then built and stored anew.',
    })
  const manifest = parse<ImageManifest & { manifests?: readonly Descriptor[] }>(found.bytes, 'manifest')
  if (manifest.manifests === undefined) {
    if (manifest.config === undefined || !Array.isArray(manifest.layers))
      throw invalid('its manifest has no config or layers')
    return manifest
  }
  const architecture = ociArchitecture()
  const fitting = manifest.manifests.find(
    ({ platform }) => platform?.os === 'linux' && platform.architecture === architecture,
  )
  if (nested) throw invalid('its index leads to another index')
  if (fitting === undefined)
    throw new DeployError('REPLICA_WRONG_ARCHITECTURE', `the image has nothing for linux/${architecture}`, {
      hint: `Build it for linux/${architecture} too.`,
    })
  return readImageManifest(images, repository, fitting, signal, true)
}

const ociArchitecture = (): string => ({ x64: 'amd64', ia32: '386' })[process.arch as string] ?? process.arch

async function readConfig(
  images: Images,
  repository: string,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<ImageConfig> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of (await images.readBlob(repository, descriptor.digest, signal)) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MOST_CONFIG_BYTES) throw invalid(`its config has more than ${MOST_CONFIG_BYTES} bytes`)
    chunks.push(chunk)
  }
  return parse<ImageConfig>(Buffer.concat(chunks), 'config')
}

function parse<T>(bytes: Uint8Array, what: string): T {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    if (typeof value === 'object' && value !== null) return value as T
  } catch {
    // told below
  }
  throw invalid(`its ${what} is no JSON object`)
}

const invalid = (what: string): DeployError =>
  new DeployError('IMAGE_INVALID', `the image is not usable: ${what}`, { hint: 'Build and push the image again.' })
