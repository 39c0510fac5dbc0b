import type { Scope } from '../../../../model/app.ts'
import type { Release } from '../../../../model/release.ts'
import type { ContentStore } from '../../../../registry/content-store.ts'
import type { LayerStore } from '../layers/layer-store.ts'
import { type PreparedRelease, PreparedReleases } from './prepared-release.ts'
import { readImage } from './read-image.ts'

export interface UnpackedReleasesOptions {
  /** Where it is written down what of a release is unpacked where. */
  readonly folder: string
  readonly images: Pick<ContentStore, 'readBlob' | 'readManifest'>
  readonly layers: LayerStore
}

/** The releases whose images are unpacked on this machine: each layer once, for as long as a kept revision or a replica uses it. */
export class UnpackedReleases {
  readonly #options: UnpackedReleasesOptions
  readonly #records: PreparedReleases
  /** One change of the layers at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: UnpackedReleasesOptions) {
    this.#options = options
    this.#records = new PreparedReleases(options.folder)
  }

  /** Unpacks what is missing of a release, verified by digest. Safe twice. */
  async prepare(release: Release, signal: AbortSignal): Promise<PreparedRelease> {
    return (await this.#ready(release)) ?? (await this.#inTurn(() => this.#unpack(release, signal)))
  }

  /** Forgets all but these revisions of a scope, and deletes layers that neither a release nor a replica uses. */
  prune(
    scope: Scope,
    keep: readonly number[],
    usedByReplicas: () => Promise<Iterable<string>>,
    signal: AbortSignal,
  ): Promise<void> {
    return this.#inTurn(async () => {
      signal.throwIfAborted()
      await this.#records.keep(scope, keep)
      const used = await this.#records.used()
      for (const short of await usedByReplicas()) used.add(short)
      await this.#options.layers.prune(used)
    })
  }

  async #ready(release: Release): Promise<PreparedRelease | null> {
    const prepared = await this.#records.read(release, release.revision)
    const { layers } = this.#options
    const whole =
      prepared?.artifact === release.artifact.digest &&
      [...prepared.layers, ...prepared.lowers].every((short) => layers.named(short) !== null)
    return whole ? prepared : null
  }

  async #unpack(release: Release, signal: AbortSignal): Promise<PreparedRelease> {
    const ready = await this.#ready(release)
    if (ready !== null) return ready
    const { images, layers } = this.#options
    const image = await readImage(images, release, signal)
    const open = (digest: string, abort: AbortSignal) => images.readBlob(release.repository, digest, abort)
    const unpacked = await layers.unpack(image.layers, open, signal)
    const lowers = await layers.lowers(unpacked, signal)
    const shorts = (of: typeof lowers) => of.map(({ short }) => short)
    const prepared = {
      artifact: release.artifact.digest,
      config: image.config,
      layers: shorts(unpacked),
      lowers: shorts(lowers),
    }
    await this.#records.write(release, release.revision, prepared)
    return prepared
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(action, action)
    this.#turn = mine.catch(() => {})
    return mine
  }
}
