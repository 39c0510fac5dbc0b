import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDigest } from '../../model/descriptor.ts'
import { isTag } from '../../model/reference.ts'
import { ignoreMissing, type StoreFolder } from './store-folder.ts'

/** What one repository has: blobs, manifests with their media types, tags, referrers. Each is one small file. */
export class RepositoryFiles {
  readonly #folder: StoreFolder
  readonly #repository: string

  constructor(folder: StoreFolder, repository: string) {
    this.#folder = folder
    this.#repository = repository
  }

  /** Size of a blob that this repository has, or null; marks it as used at `now`. */
  async statBlob(digest: string, now: number): Promise<number | null> {
    const marked = await this.#folder.touch(this.#folder.markPath(this.#repository, '_blobs', digest), now)
    return marked === null ? null : this.#folder.touch(this.#folder.blobPath(digest), now)
  }

  /** Marks a blob as one of this repository. */
  async addBlob(digest: string): Promise<void> {
    await this.#folder.put(this.#folder.markPath(this.#repository, '_blobs', digest), '')
  }

  removeBlob(digest: string): Promise<boolean> {
    return this.#folder.remove(this.#folder.markPath(this.#repository, '_blobs', digest))
  }

  /** Media type of a manifest that this repository has, or null. */
  async manifestType(digest: string): Promise<string | null> {
    return readFile(this.#folder.markPath(this.#repository, '_manifests', digest), 'utf8').catch(ignoreMissing)
  }

  /** Size of a manifest that this repository has, or null; marks it as used at `now`. */
  async statManifest(digest: string, now: number): Promise<number | null> {
    const marked = await this.#folder.touch(this.#folder.markPath(this.#repository, '_manifests', digest), now)
    return marked === null ? null : this.#folder.touch(this.#folder.blobPath(digest), now)
  }

  /** Marks a manifest as one of this repository; where it has a subject, as one of its referrers first. */
  async addManifest(digest: string, mediaType: string, subject: string | null): Promise<void> {
    if (subject !== null) await this.#folder.put(this.#folder.referrerPath(this.#repository, subject, digest), '')
    await this.#folder.put(this.#folder.markPath(this.#repository, '_manifests', digest), mediaType)
  }

  removeManifest(digest: string): Promise<boolean> {
    return this.#folder.remove(this.#folder.markPath(this.#repository, '_manifests', digest))
  }

  /** Digest under a tag, or null. */
  async tag(name: string): Promise<string | null> {
    const digest = await readFile(this.#folder.tagPath(this.#repository, name), 'utf8').catch(ignoreMissing)
    return digest !== null && isDigest(digest) ? digest : null
  }

  async setTag(name: string, digest: string): Promise<void> {
    await this.#folder.put(this.#folder.tagPath(this.#repository, name), digest)
  }

  removeTag(name: string): Promise<boolean> {
    return this.#folder.remove(this.#folder.tagPath(this.#repository, name))
  }

  /** All tags in the order of their characters. */
  async tags(): Promise<readonly string[]> {
    const names = await readdir(join(this.#folder.repositoryPath(this.#repository), '_tags')).catch(ignoreMissing)
    return (names ?? []).filter(isTag).sort()
  }

  /** Digests of all manifests of this repository whose subject is `subject`, sorted. */
  async referrers(subject: string): Promise<readonly string[]> {
    const names = await readdir(this.#folder.referrerPath(this.#repository, subject)).catch(ignoreMissing)
    return (names ?? [])
      .map((name) => name.replace('-', ':'))
      .filter(isDigest)
      .sort()
  }

  /** Every mark of a referrer: its subject, and the referrer itself. */
  async allReferrers(): Promise<readonly (readonly [subject: string, digest: string])[]> {
    const found: (readonly [string, string])[] = []
    for (const subject of await this.#digestsIn('_referrers'))
      for (const digest of await this.referrers(subject)) found.push([subject, digest])
    return found
  }

  removeReferrer(subject: string, digest: string): Promise<boolean> {
    return this.#folder.remove(this.#folder.referrerPath(this.#repository, subject, digest))
  }

  /** All digests that have a mark of a kind. */
  marks(kind: '_blobs' | '_manifests'): Promise<readonly string[]> {
    return this.#digestsIn(kind)
  }

  async #digestsIn(kind: string): Promise<readonly string[]> {
    const folder = join(this.#folder.repositoryPath(this.#repository), kind)
    const found: string[] = []
    for (const algorithm of ['sha256', 'sha512']) {
      const names = await readdir(join(folder, algorithm)).catch(ignoreMissing)
      for (const hex of names ?? []) if (isDigest(`${algorithm}:${hex}`)) found.push(`${algorithm}:${hex}`)
    }
    return found
  }
}

/** Names of all repositories below a folder of the store, sorted. */
export async function repositoryNames(folder: StoreFolder): Promise<readonly string[]> {
  const found: string[] = []
  const waiting: string[] = ['']
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const entries = await readdir(join(folder.root, 'repositories', name), { withFileTypes: true }).catch(ignoreMissing)
    const folders = (entries ?? []).filter((entry) => entry.isDirectory()).map((entry) => entry.name)
    if (folders.some((inner) => inner.startsWith('_'))) found.push(name)
    for (const inner of folders) if (!inner.startsWith('_')) waiting.push(name === '' ? inner : `${name}/${inner}`)
  }
  return found.sort()
}
