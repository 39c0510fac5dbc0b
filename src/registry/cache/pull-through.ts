import type { Readable } from 'node:stream'
import type { Clock } from '../../lib/clock.ts'
import type { Descriptor } from '../../model/descriptor.ts'
import { isDiskFull } from '../../model/disk-full.ts'
import { DeployError } from '../../model/failure.ts'
import { streamInflow } from '../body/inflow.ts'
import type { RemoteStore } from '../content-store.ts'
import { algorithmOf } from '../digest.ts'
import type { DiskStore } from '../disk/disk-store.ts'
import type { HeldManifest } from '../disk/held-manifests.ts'
import { isAway } from '../failures.ts'
import { parseManifest } from '../parse-manifest.ts'
import type { Quota } from '../server/quota.ts'
import { RegistryError } from '../server/registry-error.ts'
import { GrowingBlob } from './growing-blob.ts'
import { type CachedRegistry, Origins } from './origins.ts'
import { shared } from './shared.ts'

export interface PullThroughOptions {
  readonly store: DiskStore
  /** Copies are held to it: what there is no room for is handed on, and not kept. null: as much as the disk takes. */
  readonly quota: Quota | null
  readonly of: readonly CachedRegistry[]
  /** Opens another registry, with the login that this machine has for it. */
  readonly open: (registry: string) => Promise<RemoteStore>
  readonly clock: Clock
  /** A tag is asked for again after so long. */
  readonly freshMs: number
  /** How long a registry may say nothing about what is here. Default 10 s. */
  readonly patienceMs?: number
  /** Told why something was handed on and not kept: the disk is full. */
  readonly full?: (reason: unknown) => void
}

/** A manifest, and why it may not be what its registry has now; null: it is. */
export interface CachedManifest {
  readonly manifest: HeldManifest
  readonly warning: string | null
}

/** Tags, and why they may not be all; null: they are. */
interface CachedTags {
  readonly tags: readonly string[]
  readonly warning: string | null
}

/** What refers to a manifest, and why there may be more; null: there is not. */
interface CachedReferrers {
  readonly referrers: AsyncIterable<Descriptor> | Iterable<Descriptor>
  readonly warning: string | null
}

/** A manifest of another registry, and whether it is here now. */
interface Fetched {
  readonly manifest: HeldManifest
  readonly isKept: boolean
}

/** A registry that was away is not asked for the same tag again for so long. */
const AWAY_MS = 10_000
const MOST_TAGS = 20_000
/** Nothing is tried to be kept for so long after the disk was full: half-way through a blob it is too late to hand on the whole. */
const FULL_MS = 60_000
/** Whoever asks for what is here is not let wait longer for a registry that says nothing. */
const PATIENCE_MS = 10_000

/** A cache of other registries: what is asked for and not here is fetched, stored and answered at once; each thing once, however many ask. */
export class PullThrough {
  readonly #options: PullThroughOptions
  readonly #origins: Origins
  /** Until when the answer about a tag holds, and with which warning. */
  readonly #fresh = new Map<string, { readonly untilMs: number; readonly warning: string | null }>()
  readonly #manifests = new Map<string, Promise<CachedManifest | null>>()
  readonly #blobs = new Map<string, Promise<GrowingBlob | null>>()
  readonly #ending = new AbortController()
  #fullUntilMs = Number.NEGATIVE_INFINITY

  constructor(options: PullThroughOptions) {
    this.#options = options
    this.#origins = new Origins(options.of, options.open)
  }

  /** The registry that a repository is a copy of; null: it is none. */
  originOf(repository: string): string | null {
    return this.#origins.registryOf(repository)
  }

  /** A manifest by tag or digest; null: its registry does not have it. Throws REGISTRY_* where there is no earlier copy. */
  manifest(repository: string, reference: string): Promise<CachedManifest | null> {
    return shared(this.#manifests, `${repository}:${reference}`, async () => {
      if (!reference.includes(':')) return this.#byTag(repository, reference)
      const fetched = await this.#byDigest(repository, reference)
      return fetched === null ? null : { manifest: fetched.manifest, warning: null }
    })
  }

  /** A blob that is not here: on its way. null: it came meanwhile. Throws IMAGE_NOT_FOUND, REGISTRY_*, DISK_FULL. */
  blob(repository: string, digest: string): Promise<GrowingBlob | null> {
    const key = `${repository}:${digest}`
    return shared(this.#blobs, key, async (keep) => {
      const fetching = this.#fetch(repository, digest)
      fetching.catch((failed) => this.#noteFull(failed))
      const growing = await fetching
      growing?.stored.catch((failed) => this.#noteFull(failed))
      // Whoever asks while it grows reads along.
      if (growing !== null) keep(growing.stored)
      return growing
    })
  }

  /** Whether the disk was full a moment ago. */
  get isFull(): boolean {
    return this.#options.clock.monotonic() < this.#fullUntilMs
  }

  /** A blob as its registry gives it, for whom there is no room here; verified on its way. null: its registry does not have it. */
  async passed(
    repository: string,
    digest: string,
  ): Promise<{ readonly size: number; readonly bytes: Readable } | null> {
    const { signal } = this.#ending
    const { name, upstream } = await this.#origins.of(repository)
    const size = await upstream.statBlob(name, digest, signal)
    return size === null ? null : { size, bytes: await upstream.readBlob(name, digest, signal) }
  }

  /**
   * What refers to a manifest at its registry, by digest, those behind `after`; while that is away, what refers to it here. Signatures are
   * never just missing: a registry that refuses the list makes it fail.
   */
  async referrers(repository: string, subject: string, after: string): Promise<CachedReferrers> {
    try {
      const { name, upstream } = await this.#origins.of(repository)
      const asked = upstream.referrers(name, subject, this.#ending.signal)
      const found = (await this.#inTime(asked, repository)).filter(({ digest }) => digest > after)
      return { referrers: found.toSorted((a, b) => (a.digest < b.digest ? -1 : 1)), warning: null }
    } catch (failed) {
      if (!isAway(failed)) throw failed
      return { referrers: this.#options.store.referrers(repository, subject, after), warning: earlier(failed) }
    }
  }

  /** All tags that its registry has for a copy, sorted; while that is away, those that are here. */
  async tags(repository: string): Promise<CachedTags> {
    const { signal } = this.#ending
    try {
      const { name, upstream } = await this.#origins.of(repository)
      const asked = upstream.tags(name, signal)
      return { tags: await this.#inTime(asked, repository), warning: null }
    } catch (failed) {
      if (!isAway(failed)) throw failed
      return { tags: await this.#options.store.tags(repository, signal), warning: earlier(failed) }
    }
  }

  /** The size of a blob that is not here; null: its registry does not have it either. */
  async statBlob(repository: string, digest: string): Promise<number | null> {
    const { name, upstream } = await this.#origins.of(repository)
    return upstream.statBlob(name, digest, this.#ending.signal)
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#ending.abort(new DeployError('INTERRUPTED', 'the registry is ending', { hint: 'Pull again.' }))
    await Promise.allSettled([...this.#blobs.values()].map(async (blob) => (await blob)?.stored))
    await this.#origins.close()
  }

  async #byTag(repository: string, tag: string): Promise<CachedManifest | null> {
    const { store, clock, freshMs } = this.#options
    const { signal } = this.#ending
    const key = `${repository}:${tag}`
    const here = await store.readManifest(repository, tag, signal)
    const fresh = this.#fresh.get(key)
    if (here !== null && fresh !== undefined && clock.monotonic() < fresh.untilMs) {
      return { manifest: here, warning: fresh.warning }
    }
    try {
      const renewing = this.#renewed(repository, tag, here)
      const fetched = await (here === null ? renewing : this.#inTime(renewing, repository))
      if (fetched?.isKept === true) this.#remember(key, freshMs, null)
      return fetched === null ? null : { manifest: fetched.manifest, warning: null }
    } catch (failed) {
      if (here === null || !isAway(failed)) throw failed
      const warning = earlier(failed)
      this.#remember(key, Math.min(AWAY_MS, freshMs), warning)
      return { manifest: here, warning }
    }
  }

  /** What the tag names at its registry now; here it names the same then, where that could be kept. */
  async #renewed(repository: string, tag: string, here: HeldManifest | null): Promise<Fetched | null> {
    const { store } = this.#options
    const { signal } = this.#ending
    const { name, upstream } = await this.#origins.of(repository)
    const digest = await upstream.resolveTag(name, tag, signal)
    if (digest === null) {
      // It is believed; what only this tag led to goes with the next collection.
      if (here !== null) await store.deleteManifest(repository, tag, signal)
      return null
    }
    const isSame = here !== null && digest === here.descriptor.digest
    const fetched = isSame ? { manifest: here, isKept: true } : await this.#byDigest(repository, digest)
    if (fetched?.isKept === true) await store.useTag(repository, tag, digest)
    return fetched
  }

  /** What a registry says within a while. Its answer counts also when it comes later. */
  async #inTime<T>(work: Promise<T>, repository: string): Promise<T> {
    const { clock, patienceMs = PATIENCE_MS } = this.#options
    const over = new AbortController()
    const late = clock.sleep(patienceMs, AbortSignal.any([over.signal, this.#ending.signal])).then(() => {
      const message = `the registry ${this.originOf(repository)} did not answer within ${patienceMs} ms`
      throw new DeployError('REGISTRY_UNREACHABLE', message, { hint: 'Pull again.' })
    })
    for (const each of [work, late]) each.catch(() => {})
    try {
      return await Promise.race([work, late])
    } finally {
      over.abort()
    }
  }

  async #byDigest(repository: string, digest: string): Promise<Fetched | null> {
    const { store } = this.#options
    const { signal } = this.#ending
    const here = await store.readManifest(repository, digest, signal)
    if (here !== null) return { manifest: here, isKept: true }
    const { name, upstream } = await this.#origins.of(repository)
    const found = await upstream.readManifest(name, digest, signal)
    if (found === null) return null
    const { mediaType } = found.descriptor
    const parsed = parseManifest(mediaType, found.bytes)
    // Layers come when they are asked for. Without its configuration no image is stored.
    const isWhole = parsed.kind === 'index' || (await this.#whole(repository, parsed.config.digest))
    const put = { mediaType, bytes: found.bytes, digest, sparse: true }
    const isKept =
      isWhole &&
      (await this.#keep(repository, digest, found.bytes.length, () => store.putManifest(repository, put, [], signal)))
    return { manifest: found, isKept }
  }

  /** False: there was no room for it. */
  async #whole(repository: string, digest: string): Promise<boolean> {
    if ((await this.#options.store.statBlob(repository, digest, this.#ending.signal)) !== null) return true
    try {
      const growing = await this.blob(repository, digest)
      return growing === null || (await growing.stored)
    } catch (failed) {
      if (isDiskFull(failed)) return false
      throw failed
    }
  }

  /** Runs `work`, which keeps so many bytes. False: the quota or the disk has no room for them, and they are not kept. */
  async #keep(repository: string, digest: string, bytes: number, work: () => Promise<unknown>): Promise<boolean> {
    const { quota } = this.#options
    try {
      await (quota === null ? work() : quota.admit(repository, digest, bytes, work))
      return true
    } catch (failed) {
      if (failed instanceof RegistryError && failed.code === 'DENIED') return false
      this.#noteFull(failed)
      if (isDiskFull(failed)) return false
      throw failed
    }
  }

  #noteFull(reason: unknown): void {
    if (!isDiskFull(reason)) return
    this.#fullUntilMs = this.#options.clock.monotonic() + FULL_MS
    this.#options.full?.(reason)
  }

  async #fetch(repository: string, digest: string): Promise<GrowingBlob | null> {
    const { store } = this.#options
    const { signal } = this.#ending
    if ((await store.statBlob(repository, digest, signal)) !== null) return null
    const { registry, name, upstream } = await this.#origins.of(repository)
    const size = await upstream.statBlob(name, digest, signal)
    if (size === null) throw new RegistryError('BLOB_UNKNOWN', `${registry}/${name} has no blob ${digest}`)
    // Another repository has the bytes, and this one may have them: its registry just said so.
    if (await store.mountAnyBlob(repository, digest, signal)) return null
    const id = await store.uploads.begin(repository, algorithmOf(digest))
    const upload = id === null ? null : store.uploads.get(repository, id)
    if (id === null || upload === null)
      throw new RegistryError('TOOMANYREQUESTS', 'too many uploads are open', { headers: { 'Retry-After': '5' } })
    return new GrowingBlob(upload.path, size, async (written) => {
      try {
        await upload.append(streamInflow(await upstream.readBlob(name, digest, signal)), size, written)
        return await this.#keep(repository, digest, size, () => store.finishUpload(repository, upload, digest))
      } finally {
        await store.uploads.end(id)
      }
    })
  }

  #remember(key: string, forMs: number, warning: string | null): void {
    this.#fresh.delete(key)
    this.#fresh.set(key, { untilMs: this.#options.clock.monotonic() + forMs, warning })
    const [oldest] = this.#fresh.keys()
    if (this.#fresh.size > MOST_TAGS && oldest !== undefined) this.#fresh.delete(oldest)
  }
}

/** "Warnings" of the distribution specification: clients show it. */
const earlier = ({ message }: DeployError): string =>
  `299 - "${message.replaceAll('"', "'")}: this is the copy that was taken before"`
