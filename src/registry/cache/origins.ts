import type { RemoteStore } from '../content-store.ts'
import { RegistryError } from '../server/registry-error.ts'

/** Repositories that are copies of those of another registry. */
export interface CachedRegistry {
  /** What their names begin with here and not there; empty: all repositories are copies. */
  readonly prefix: string
  /** `docker.io`. */
  readonly registry: string
}

/** Where a copy comes from. */
interface Origin {
  readonly registry: string
  /** Of the repository there. */
  readonly name: string
  readonly upstream: RemoteStore
}

/** The registry that a repository is a copy of, and what it is called there; null: it is none. */
export function originOf(all: readonly CachedRegistry[], repository: string) {
  const found = all.find(({ prefix }) => repository.startsWith(prefix) && repository !== prefix)
  if (found === undefined) return null
  return { registry: found.registry, repository: repository.slice(found.prefix.length) }
}

/** Which repositories are copies of which other registries' ones, and the connections to those. */
export class Origins {
  readonly #of: readonly CachedRegistry[]
  readonly #open: (registry: string) => Promise<RemoteStore>
  readonly #opened = new Map<string, Promise<RemoteStore>>()

  /** `open` opens another registry, with the login that this machine has for it. */
  constructor(of: readonly CachedRegistry[], open: (registry: string) => Promise<RemoteStore>) {
    this.#of = of
    this.#open = open
  }

  /** The registry that a repository is a copy of; null: it is none. */
  registryOf(repository: string): string | null {
    return originOf(this.#of, repository)?.registry ?? null
  }

  /** Throws REGISTRY_SETTINGS_INVALID, and NAME_UNKNOWN for what is no copy. */
  async of(repository: string): Promise<Origin> {
    const found = originOf(this.#of, repository)
    if (found === null) throw new RegistryError('NAME_UNKNOWN', `${repository} is no copy of another registry's`)
    const { registry, repository: name } = found
    const opened = this.#opened.get(registry) ?? this.#open(registry)
    this.#opened.set(registry, opened)
    // Settings that were wrong may be right the next time.
    opened.catch(() => this.#opened.delete(registry))
    return { registry, name, upstream: await opened }
  }

  async close(): Promise<void> {
    for (const opened of this.#opened.values()) (await opened.catch(() => null))?.close()
  }
}
