import type { DiskStore } from '../disk/disk-store.ts'
import { RegistryError } from './registry-error.ts'

/** The most bytes that there may be; null: as many as the disk takes. */
export interface QuotaLimits {
  /** In one repository; what others have too counts in each. */
  readonly repository: number | null
  /** On the disk, garbage too. */
  readonly whole: number | null
}

/** Holds pushes to limits. What is on its way counts, so that several at once cannot pass together what one may not. */
export class Quota {
  readonly #store: DiskStore
  readonly #limits: QuotaLimits
  readonly #underWay = new Map<string, number>()
  #allUnderWay = 0

  constructor(store: DiskStore, limits: QuotaLimits) {
    this.#store = store
    this.#limits = limits
  }

  has(repository: string, digest: string): Promise<boolean> {
    return this.#store.usage.has(repository, digest)
  }

  /** The most bytes that an upload in progress may have in the end; Infinity: no limit is set. What other uploads have brought so far counts. */
  async roomFor(repository: string, upload: { readonly offset: number }): Promise<number> {
    const { uploads } = this.#store
    const others = (of: string | null) => uploads.openBytes(of) - upload.offset
    return this.#room(repository, others(repository), others(null))
  }

  /** How many more bytes a repository may have now; below 0 where it has too many. */
  room(repository: string): Promise<number> {
    return this.#room(repository, this.#of(repository), this.#allUnderWay)
  }

  async #room(repository: string, ownUnderWay: number, allUnderWay: number): Promise<number> {
    const { repository: own, whole } = this.#limits
    const { usage } = this.#store
    const most = Number.POSITIVE_INFINITY
    return Math.min(
      own === null ? most : own - (await usage.of(repository)) - ownUnderWay,
      whole === null ? most : whole - (await usage.whole()) - allUnderWay,
    )
  }

  /** Runs `work`, which adds so many bytes to a repository. Throws DENIED (413) with numbers where there is no room. What the repository has already is free. */
  async admit<T>(repository: string, digest: string, bytes: number, work: () => Promise<T>): Promise<T> {
    if (await this.has(repository, digest)) return work()
    if (bytes > (await this.room(repository))) throw await this.refusal(repository, bytes)
    this.#add(repository, bytes)
    try {
      return await work()
    } finally {
      this.#add(repository, -bytes)
    }
  }

  async refusal(repository: string, bytes: number): Promise<RegistryError> {
    const { repository: own, whole } = this.#limits
    const { uploads, usage } = this.#store
    const used = await usage.of(repository)
    const ownComing = Math.max(uploads.openBytes(repository), this.#of(repository))
    const isOwn = own !== null && used + ownComing + bytes > own
    const [has, coming] = isOwn
      ? [used, ownComing]
      : [await usage.whole(), Math.max(uploads.openBytes(null), this.#allUnderWay)]
    const underWay = coming > 0 ? `, ${coming} more are on their way` : ''
    const text = `${isOwn ? repository : 'this registry'} may have ${isOwn ? own : whole} bytes and has ${has}${underWay}: there is no room for ${bytes} more`
    return new RegistryError('DENIED', text, { status: 413 })
  }

  #of(repository: string): number {
    return this.#underWay.get(repository) ?? 0
  }

  #add(repository: string, bytes: number): void {
    this.#allUnderWay += bytes
    const sum = this.#of(repository) + bytes
    if (sum === 0) this.#underWay.delete(repository)
    else this.#underWay.set(repository, sum)
  }
}
