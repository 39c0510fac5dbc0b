import { type ImageConfig, type Platform, platformText } from '../../model/descriptor.ts'
import { DeployError } from '../../model/failure.ts'
import type { NamedImages } from '../builder.ts'
import type { Place } from '../dockerfile/place.ts'
import type { LayerSource } from './read-layer.ts'

/** An image that a stage stands on, or takes files from. */
export interface BaseImage {
  /** The whole name, and what it led to. */
  readonly name: string
  readonly digest: string
  /** Of the image for the platform. */
  readonly imageDigest: string
  readonly config: ImageConfig
  readonly layers: readonly LayerSource[]
}

/** The images that a Dockerfile names: each is found once, and several at a time. */
export class BaseImages {
  readonly #named: NamedImages
  readonly #ending = new AbortController()
  readonly #signal: AbortSignal
  readonly #found = new Map<string, Promise<BaseImage>>()
  readonly #used = new Map<string, string>()

  constructor(named: NamedImages, signal: AbortSignal) {
    this.#named = named
    this.#signal = AbortSignal.any([signal, this.#ending.signal])
  }

  /** Whole name → digest of those that were used, by name. */
  get used(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#used].sort(([one], [other]) => (one < other ? -1 : 1)))
  }

  /** Begins to find images that will be needed. What fails is told to who asks for it. */
  begin(names: readonly { readonly name: string; readonly platform: Platform }[]): void {
    for (const { name, platform } of names) this.#find(name, platform).catch(() => {})
  }

  /** `place`: where the Dockerfile names it. Throws BUILD_BASE_NOT_FOUND and what `NamedImages` throws, with the place. */
  async find(name: string, platform: Platform, place: Place): Promise<BaseImage> {
    try {
      const image = await this.#find(name, platform)
      this.#used.set(image.name, image.digest)
      return image
    } catch (failed) {
      throw failed instanceof DeployError ? at(place, failed) : failed
    }
  }

  #find(name: string, platform: Platform): Promise<BaseImage> {
    const key = `${platformText(platform)} ${name}`
    const known = this.#found.get(key)
    if (known !== undefined) return known
    const finding = this.#read(name, platform)
    this.#found.set(key, finding)
    return finding
  }

  /** Ends what nobody waits for any more. */
  async close(): Promise<void> {
    this.#ending.abort()
    await Promise.allSettled(this.#found.values())
  }

  async #read(text: string, platform: Platform): Promise<BaseImage> {
    const { manifest, store, repository, ...image } = await this.#named.find(text, platform, this.#signal)
    const diffIds = image.config.rootfs.diff_ids
    const layers = manifest.layers.map((layer, index) => ({ store, repository, layer, diffId: diffIds[index] ?? '' }))
    return { ...image, layers }
  }
}

function at({ file, line, column }: Place, failed: DeployError): DeployError {
  const code = failed.code === 'IMAGE_NOT_FOUND' ? 'BUILD_BASE_NOT_FOUND' : failed.code
  return new DeployError(code, `${file}:${line}:${column}: ${failed.message}`, {
    hint: failed.hint,
    detail: { ...failed.detail, file, line, column },
    cause: failed,
  })
}
