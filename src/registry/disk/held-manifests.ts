import type { Descriptor } from '../../model/descriptor.ts'

/** A manifest in memory. */
export interface HeldManifest {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

/** After this time it is read from the disk again, its bytes are checked, and it is marked as used. */
const HOLDS_MS = 60_000
const MOST_BYTES = 16 * 2 ** 20
/** What one entry takes besides the bytes of its manifest. */
const ENTRY_BYTES = 512

interface Entry {
  readonly manifest: HeldManifest
  readonly untilMs: number
}

/**
 * Manifests that were asked for a short while ago, by tag and by digest, as they are on the disk: one process writes there, and
 * it drops an entry with each change. What was being read when something changed is not held.
 */
export class HeldManifests {
  readonly #entries = new Map<string, Entry>()
  #bytes = 0
  #changes = 0

  get(repository: string, reference: string, nowMs: number): HeldManifest | null {
    const entry = this.#entries.get(keyOf(repository, reference))
    return entry === undefined || nowMs >= entry.untilMs ? null : entry.manifest
  }

  /** Call it before reading, and give what it answers to `hold`. */
  get changes(): number {
    return this.#changes
  }

  hold(repository: string, reference: string, manifest: HeldManifest, changes: number, nowMs: number): void {
    if (changes !== this.#changes) return
    this.#remove(keyOf(repository, reference))
    this.#entries.set(keyOf(repository, reference), { manifest, untilMs: nowMs + HOLDS_MS })
    this.#bytes += sizeOf(manifest)
    for (const key of this.#entries.keys()) {
      if (this.#bytes <= MOST_BYTES) return
      this.#remove(key)
    }
  }

  /** A tag or manifest has changed or gone. */
  drop(repository: string, reference: string): void {
    this.#changes++
    this.#remove(keyOf(repository, reference))
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#bytes -= sizeOf(entry.manifest)
  }
}

/** No repository name has a colon, and no tag. */
const keyOf = (repository: string, reference: string): string => `${repository}:${reference}`
const sizeOf = ({ bytes }: HeldManifest): number => bytes.length + ENTRY_BYTES
