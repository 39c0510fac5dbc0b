import type { BegunBlob } from '../../registry/content-store.ts'
import type { BuildRequest } from '../builder.ts'

/** Uploads of one image that begin while their bytes are being made: those of new layers, and of the configuration above them. */
export class EarlyUploads implements AsyncDisposable {
  readonly #destination: BuildRequest['destination']
  readonly #signal: AbortSignal
  readonly #begun: BegunBlob[] = []
  #config: BegunBlob | null = null

  constructor(destination: BuildRequest['destination'], signal: AbortSignal) {
    this.#destination = destination
    this.#signal = signal
  }

  /** For a layer that nobody has: the configuration is a new one then. */
  layer(): BegunBlob {
    this.#config ??= this.#begin()
    return this.#begin()
  }

  /** For the configuration; begun when a layer was. */
  config(): BegunBlob {
    return this.#config ?? this.#plain()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#begun.map((begun) => begun.discard()))
  }

  #begin(): BegunBlob {
    const { store, repository } = this.#destination
    const begun = store.beginBlob?.(repository, this.#signal) ?? this.#plain()
    this.#begun.push(begun)
    return begun
  }

  #plain(): BegunBlob {
    const { store, repository } = this.#destination
    return {
      write: (wanted, open, signal) => store.writeBlob(repository, wanted, open, signal),
      discard: async () => {},
    }
  }
}
