import { readFile, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, writeFileCached } from '../../os/atomic-file.ts'
import { isDigest } from '../../model/descriptor.ts'
import type { MadeLayer } from '../image/make-layer.ts'
import { pruneFolder } from '../image/prune-folder.ts'

export interface KnownLayer extends MadeLayer {
  /** Where it was seen last: it may be mounted from there. */
  readonly repositories: readonly string[]
}

const MOST_REPOSITORIES = 4
/** Some 300 bytes each. */
const MOST_LAYERS = 20_000

/** What became of equal inputs before: key of the inputs → digests and size. Losing it costs time and nothing else. */
export class LayerCache {
  readonly #folder: string

  constructor(cacheFolder: string) {
    this.#folder = join(cacheFolder, 'layers')
  }

  async find(key: string): Promise<KnownLayer | null> {
    const path = this.#path(key)
    try {
      const known = JSON.parse(await readFile(path, 'utf8')) as Partial<KnownLayer>
      if (!isDigest(known.diffId ?? '') || !isDigest(known.digest ?? '') || !Array.isArray(known.repositories))
        return null
      return known as KnownLayer
    } catch {
      // Missing, cut or damaged is all the same: the layer is made anew.
      return null
    }
  }

  /** Remembers a layer and that the repository has it. `before`: what was found for this key. */
  async remember(key: string, layer: MadeLayer, repository: string, before: KnownLayer | null): Promise<void> {
    const same = before?.digest === layer.digest
    if (same && before.repositories.includes(repository)) return this.#touch(key)
    const repositories = [repository, ...(same ? before.repositories : [])].slice(0, MOST_REPOSITORIES)
    const { diffId, digest, size } = layer
    await makeFolder(this.#folder)
    await writeFileCached(this.#path(key), JSON.stringify({ diffId, digest, size, repositories }))
    await pruneFolder(this.#folder, MOST_LAYERS)
  }

  /** Entries that are used stay: the oldest go first. At most once a day, since it is a write. */
  async #touch(key: string): Promise<void> {
    const now = new Date()
    const { mtimeMs } = await stat(this.#path(key))
    if (now.getTime() - mtimeMs > 24 * 3600 * 1000) await utimes(this.#path(key), now, now)
  }

  #path(key: string): string {
    return join(this.#folder, `${key}.json`)
  }
}
