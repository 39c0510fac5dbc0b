import { stat } from 'node:fs/promises'
import { storedBlobs } from './collect-garbage.ts'
import { RepositoryFiles } from './repository-files.ts'
import { ignoreMissing, type StoreFolder } from './store-folder.ts'

/**
 * How many bytes a repository has, and the whole store. Counted when first asked for, then kept up with what is added; after a deletion or
 * collection counted again when asked for.
 */
export class Usage {
  readonly #folder: StoreFolder
  /** By repository: sizes of its blobs and manifests by digest. */
  readonly #repositories = new Map<string, Promise<Map<string, number>>>()
  #whole: Promise<number> | null = null

  constructor(folder: StoreFolder) {
    this.#folder = folder
  }

  /** What a repository has: also what others have too. */
  async of(repository: string): Promise<number> {
    let bytes = 0
    for (const size of (await this.#load(repository)).values()) bytes += size
    return bytes
  }

  async has(repository: string, digest: string): Promise<boolean> {
    return (await this.#load(repository)).has(digest)
  }

  /** What lies on the disk, each content once, garbage too. */
  whole(): Promise<number> {
    if (this.#whole !== null) return this.#whole
    const counting = wholeOf(this.#folder)
    this.#count(counting)
    return counting
  }

  /** A repository has it from now on; `isNew`: nobody had it. */
  added(repository: string, digest: string, size: number, isNew: boolean): void {
    this.#repositories.get(repository)?.then((sizes) => sizes.set(digest, size), uncounted)
    if (isNew && this.#whole !== null) this.#count(this.#whole.then((bytes) => bytes + size))
  }

  /** Something is gone: from a repository, or (null) from anywhere. */
  removed(repository: string | null): void {
    if (repository !== null) return void this.#repositories.delete(repository)
    this.#repositories.clear()
    this.#whole = null
  }

  #load(repository: string): Promise<Map<string, number>> {
    const loaded = this.#repositories.get(repository)
    if (loaded !== undefined) return loaded
    const loading = sizesOf(this.#folder, repository)
    this.#repositories.set(repository, loading)
    loading.catch(() => this.#repositories.delete(repository))
    return loading
  }

  #count(whole: Promise<number>): void {
    this.#whole = whole
    whole.catch(() => {
      this.#whole = null
    })
  }
}

/** Whoever asked for the count is told why it failed. */
const uncounted = () => {}

async function sizesOf(folder: StoreFolder, repository: string): Promise<Map<string, number>> {
  const files = new RepositoryFiles(folder, repository)
  const sizes = new Map<string, number>()
  for (const digest of [...(await files.marks('_blobs')), ...(await files.marks('_manifests'))]) {
    const found = await stat(folder.blobPath(digest)).catch(ignoreMissing)
    if (found !== null) sizes.set(digest, found.size)
  }
  return sizes
}

async function wholeOf(folder: StoreFolder): Promise<number> {
  let bytes = 0
  for await (const digest of storedBlobs(folder)) {
    bytes += (await stat(folder.blobPath(digest)).catch(ignoreMissing))?.size ?? 0
  }
  return bytes
}
