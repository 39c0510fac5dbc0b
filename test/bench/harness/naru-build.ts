import { join } from 'node:path'
import type { NamedImages } from '../../../src/build/builder.ts'
import { dockerfileBuilder, type SweepingBuilder } from '../../../src/build/dockerfile-builder.ts'
import type { ContentStore } from '../../../src/registry/content-store.ts'
import { gitSource } from '../../../src/source/git-source.ts'
import type { Source } from '../../../src/source/source.ts'

const never = new AbortController().signal
const NO_BASES: NamedImages = { find: () => Promise.reject(new Error('FROM scratch needs no image')) }

/** The path of a server's build: from a repository's newest commit to the digest in a store. */
export class NaruBuild {
  readonly #repository: string
  readonly #bases: NamedImages
  readonly #source: Source
  readonly #builder: SweepingBuilder

  /** `folder`: for all that is kept from build to build. */
  constructor(repository: string, folder: string, bases: NamedImages = NO_BASES) {
    this.#repository = repository
    this.#bases = bases
    this.#source = gitSource({ cacheFolder: join(folder, 'mirrors'), env: process.env })
    this.#builder = dockerfileBuilder({ cacheFolder: join(folder, 'build') })
  }

  /** Answers the bytes that were new to the store. */
  async into(store: ContentStore, repository: string): Promise<number> {
    const asked = { kind: 'git', url: this.#repository, ref: null, folder: '', submodules: true } as const
    const tree = await this.#source.open(await this.#source.resolve(asked, never), never)
    if (tree === null) throw new Error('this commit has to be laid out')
    const request = { root: tree, context: '.', dockerfile: 'Dockerfile', target: null, args: {} }
    const destination = { store, repository, tags: ['v1'] }
    try {
      const whole = { ...request, epochSeconds: 1_700_000_000, bases: this.#bases, destination }
      return (await this.#builder.build(whole, () => {}, never)).sentBytes
    } finally {
      await tree.close()
    }
  }
}
