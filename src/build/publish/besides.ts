/** Work that goes on beside other work, and is waited for at the end, whatever the end is. */
export class Besides implements AsyncDisposable {
  readonly #all: Promise<void>[] = []

  readonly begin = (work: Promise<void>): void => {
    work.catch(() => {})
    this.#all.push(work)
  }

  /** Rejects as the first one that failed. */
  async ended(): Promise<void> {
    await Promise.all(this.#all)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#all)
  }
}
