import type { Added } from './file-entry.ts'
import { entriesName } from './make-layer.ts'

/** What one instruction puts into an image. Of a RUN that was done before, entries are read only when somebody asks for them. */
export interface Layer {
  /** Where its entries stand unpacked on this machine; null: nowhere. */
  readonly upper: string | null
  /** Equal names are equal entries. Reads only what has no name without being read. */
  name(signal: AbortSignal): Promise<string>
  entries(): Promise<Added>
}

/** Entries that are known. They are named once. */
export class AddedLayer implements Layer {
  readonly upper = null
  readonly #added: Added
  #name: Promise<string> | null = null

  constructor(added: Added) {
    this.#added = added
  }

  name(signal: AbortSignal): Promise<string> {
    this.#name ??= entriesName(this.#added, signal)
    return this.#name
  }

  entries(): Promise<Added> {
    return Promise.resolve(this.#added)
  }
}
