import type { NamedImage, NamedImages } from '../../build/builder.ts'
import { type Platform, platformText } from '../../model/descriptor.ts'
import type { Report } from '../../model/event.ts'
import { DeployError } from '../../model/failure.ts'
import { parseReference } from '../../model/reference.ts'
import type { ContentStore } from '../content-store.ts'
import type { DiskStore } from '../disk/disk-store.ts'
import { findImage, findPath, type FoundImage } from '../find-manifest.ts'
import { parseConfig } from '../parse-config.ts'
import { readConfig } from '../read-image.ts'
import { copyName, copyTag } from './copy-name.ts'
import { type Fetch, fetchImage, identifyImage, storedImage } from './fetch-image.ts'
import { type Resolved, resolveName } from './resolve-name.ts'

type Registry = ContentStore & { close(): void }

/** What finding images needs. */
export interface NamedImagesOptions {
  /** The embedded registry. */
  readonly images: DiskStore
  /** Opens any other registry. */
  readonly open: (registry: string) => Promise<Registry>
  readonly report: Report
}

/** Progress is told so often. */
const TELL_MS = 1000

/**
 * Images by name, for one build or deploy (docs/decisions/0011): each name is resolved once. Images of other registries are copied
 * into the embedded one, below `mirror/`. `close` ends connections.
 */
export function namedImages(options: NamedImagesOptions): OpenNamedImages {
  return new Finder(options)
}

export interface OpenNamedImages extends NamedImages {
  /** `NAME@DIGEST` of what `find` would find: the same image whatever becomes of the tag. Copies nothing. Throws as `find`. */
  pin(name: string, platform: Platform, signal: AbortSignal): Promise<string>
  close(): Promise<void>
}

class Finder implements OpenNamedImages {
  readonly #options: NamedImagesOptions
  readonly #resolved = new Map<string, Promise<Resolved>>()
  readonly #opened = new Map<string, Promise<Registry>>()

  constructor(options: NamedImagesOptions) {
    this.#options = options
  }

  async find(name: string, platform: Platform, signal: AbortSignal): Promise<NamedImage> {
    const resolved = await this.#resolve(name, signal)
    if (resolved.registry === null) return this.#embedded(resolved, platform, signal)
    try {
      return await this.#copied(resolved, resolved.registry, platform, signal)
    } catch (failed) {
      throw askedBoth(name, failed)
    }
  }

  async pin(name: string, platform: Platform, signal: AbortSignal): Promise<string> {
    const resolved = await this.#resolve(name, signal)
    const image = await this.#identify(resolved, platform, signal).catch((failed: unknown) => {
      throw askedBoth(name, failed)
    })
    return `${resolved.name}@${image.descriptor.digest}`
  }

  async #identify(resolved: Resolved, platform: Platform, signal: AbortSignal): Promise<FoundImage> {
    const { images } = this.#options
    const { registry, repository, digest } = resolved
    if (registry === null) return findImage(images, repository, digest, platform, signal)
    const origin = { store: await this.#open(registry), repository }
    return identifyImage(this.#copy(resolved, registry, platform), origin, signal)
  }

  #copy(resolved: Resolved, registry: string, platform: Platform): Fetch {
    const { digest, tag } = resolved
    const repository = copyName({ ...resolved, registry })
    return { images: this.#options.images, repository, tag: copyTag(tag, digest), digest, platform }
  }

  async close(): Promise<void> {
    for (const opened of this.#opened.values())
      await opened.then(
        (registry) => registry.close(),
        () => {},
      )
  }

  #resolve(name: string, signal: AbortSignal): Promise<Resolved> {
    const known = this.#resolved.get(name)
    if (known !== undefined) return known
    const open = (registry: string) => this.#open(registry)
    const resolving = resolveName(name, { ...this.#options, open }, signal).catch((failed: unknown) => {
      throw askedBoth(name, failed)
    })
    this.#resolved.set(name, resolving)
    return resolving
  }

  #open(registry: string): Promise<Registry> {
    const opened = this.#opened.get(registry) ?? this.#options.open(registry)
    this.#opened.set(registry, opened)
    return opened
  }

  async #embedded(resolved: Resolved, platform: Platform, signal: AbortSignal): Promise<NamedImage> {
    const { repository, digest } = resolved
    const { image } = await findPath(this.#options.images, repository, digest, platform, signal)
    this.#tell(resolved, 'here', 0, 0)
    return this.#named(resolved, repository, image, platform, signal)
  }

  async #copied(resolved: Resolved, registry: string, platform: Platform, signal: AbortSignal): Promise<NamedImage> {
    const fetch = this.#copy(resolved, registry, platform)
    const stored = await storedImage(fetch, signal)
    if (stored !== null) {
      this.#tell(resolved, 'here', 0, 0)
      return this.#named(resolved, fetch.repository, stored, platform, signal)
    }
    const origin = { store: await this.#open(registry), repository: resolved.repository }
    const image = await fetchImage(fetch, origin, this.#progress(resolved), signal)
    return this.#named(resolved, fetch.repository, image, platform, signal)
  }

  #progress(resolved: Resolved): (received: number, missing: number) => void {
    let toldAtMs = Number.NEGATIVE_INFINITY
    return (received, missing) => {
      const isDone = received >= missing
      if (!isDone && performance.now() - toldAtMs < TELL_MS) return
      toldAtMs = performance.now()
      this.#tell(resolved, isDone ? 'here' : received === 0 ? 'found' : 'moving', received, missing)
    }
  }

  #tell({ name, digest, source }: Resolved, state: 'found' | 'moving' | 'here', received: number, missing: number) {
    const bytes = { receivedBytes: received, missingBytes: missing }
    this.#options.report({ kind: 'image', state, name, digest, source, ...bytes })
  }

  async #named(
    { name, digest }: Resolved,
    repository: string,
    image: FoundImage,
    wanted: Platform,
    signal: AbortSignal,
  ): Promise<NamedImage> {
    const { images: store, report } = this.#options
    const { mediaType, config: configOf, layers, annotations } = image.parsed
    const config = parseConfig(await readConfig(store, repository, configOf, signal), layers.length)
    const has = { os: config.os, architecture: config.architecture }
    if (has.os !== wanted.os || has.architecture !== wanted.architecture) {
      const message = `${name} is an image for ${platformText(has)} only, ${platformText(wanted)} was asked for`
      report({ kind: 'note', message })
    }
    const more = annotations === null ? {} : { annotations }
    const manifest = { schemaVersion: 2, mediaType, config: configOf, layers, ...more } as const
    return { name, digest, imageDigest: image.descriptor.digest, store, repository, manifest, config }
  }
}

const OF_IMAGES: ReadonlySet<string> = new Set([
  'IMAGE_NOT_FOUND',
  'REGISTRY_UNREACHABLE',
  'REGISTRY_AUTH_FAILED',
  'REGISTRY_RATE_LIMITED',
])

/** Of a name without a registry two places were asked: what failed says so. */
function askedBoth(name: string, failed: unknown): unknown {
  if (!(failed instanceof DeployError) || !OF_IMAGES.has(failed.code)) return failed
  if (parseReference(name).registry !== null) return failed
  const message = `the embedded registry has no ${name}, and Docker Hub: ${failed.message}`
  const hint = `${failed.hint} Without a network: naru image base PROGRAM makes an image from a program of this machine, skopeo copy brings one.`
  return new DeployError(failed.code, message, { hint, detail: failed.detail, cause: failed })
}
