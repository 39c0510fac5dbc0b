import type { Descriptor } from '../../model/descriptor.ts'
import type { ListedTag } from '../../model/registry-keeping.ts'
import type { ContentStore } from '../content-store.ts'
import { type ParsedManifest, parseManifest } from '../parse-manifest.ts'

/** What a registry has, for whoever looks at it from outside. */
export interface RegistryContents extends Pick<ContentStore, 'tags' | 'readManifest' | 'deleteManifest'> {
  /** Names of all repositories that the login may see, sorted. */
  repositories(signal: AbortSignal): Promise<readonly string[]>
  close(): void
}

/** What the tags of one repository lead to. */
export interface RepositoryContents {
  readonly repository: string
  readonly tags: readonly ListedTag[]
  /** Digest → bytes of every blob and manifest. */
  readonly blobs: ReadonlyMap<string, number>
}

/** How deep indexes may lie in one another (A7). */
const DEEPEST = 8
/** Manifests that are asked for at a time. */
const AT_ONCE = 8

/** Reads what all tags of a repository lead to. A tag that leads nowhere any more is left out. */
export async function readRepository(
  contents: RegistryContents,
  repository: string,
  signal: AbortSignal,
): Promise<RepositoryContents> {
  const read = new RepositoryReading(contents, repository, signal)
  const waiting = [...(await contents.tags(repository, signal))]
  const images: ListedTag[] = []
  const work = async () => {
    for (let tag = waiting.shift(); tag !== undefined; tag = waiting.shift()) {
      const found = await read.tag(tag)
      if (found !== null) images.push(found)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  images.sort((a, b) => (a.tag < b.tag ? -1 : 1))
  return { repository, tags: images, blobs: read.blobs }
}

/** One reading of a repository; each manifest is asked for once, however many tags lead to it. */
export class RepositoryReading {
  readonly blobs = new Map<string, number>()
  readonly #contents: Pick<ContentStore, 'readManifest'>
  readonly #repository: string
  readonly #signal: AbortSignal
  readonly #trees = new Map<string, Promise<ReadonlyMap<string, number>>>()

  constructor(contents: Pick<ContentStore, 'readManifest'>, repository: string, signal: AbortSignal) {
    this.#contents = contents
    this.#repository = repository
    this.#signal = signal
  }

  /** null: the tag is not there. */
  async tag(tag: string): Promise<ListedTag | null> {
    const found = await this.#contents.readManifest(this.#repository, tag, this.#signal)
    if (found === null) return null
    const { digest } = found.descriptor
    const tree = await this.#tree(found.descriptor, found.bytes, 0)
    return { tag, digest, bytes: sum(tree.values()), setAtMs: null }
  }

  #tree(descriptor: Descriptor, bytes: Uint8Array, depth: number): Promise<ReadonlyMap<string, number>> {
    const known = this.#trees.get(descriptor.digest)
    if (known !== undefined) return known
    const tree = this.#read(descriptor, parseManifest(descriptor.mediaType, bytes), depth)
    this.#trees.set(descriptor.digest, tree)
    return tree
  }

  async #read({ digest, size }: Descriptor, manifest: ParsedManifest, depth: number) {
    const tree = new Map<string, number>([[digest, size]])
    if (manifest.kind === 'image')
      for (const blob of [manifest.config, ...manifest.layers]) tree.set(blob.digest, blob.size)
    else if (depth < DEEPEST)
      for (const child of manifest.manifests) {
        // An index may name what is not here (distribution specification, "sparse").
        const found = await this.#contents.readManifest(this.#repository, child.digest, this.#signal)
        if (found === null) continue
        for (const [each, bytes] of await this.#tree(found.descriptor, found.bytes, depth + 1)) tree.set(each, bytes)
      }
    for (const [each, bytes] of tree) this.blobs.set(each, bytes)
    return tree
  }
}

/** Adds up what tags lead to; the largest first. */
export function usageOf(all: readonly RepositoryContents[]) {
  const sizes = new Map(all.flatMap(({ blobs }) => [...blobs]))
  const repositories = all.map(({ repository, tags, blobs }) => {
    return { repository, tags: tags.length, bytes: sum(blobs.values()) }
  })
  repositories.sort((a, b) => b.bytes - a.bytes || (a.repository < b.repository ? -1 : 1))
  return { repositories, bytes: sum(sizes.values()), garbageBytes: null }
}

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, each) => total + each, 0)
