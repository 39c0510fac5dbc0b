/** Lets actions of the same key run one after the other, in the order in which they came; those of other keys do not wait. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Runs `action` when those before it have ended, however they ended. */
  take<T>(key: string, action: () => Promise<T>): Promise<T> {
    const mine = (this.#last.get(key) ?? Promise.resolve()).then(action)
    const ended = mine
      .catch(() => {})
      .then(() => {
        if (this.#last.get(key) === ended) this.#last.delete(key)
      })
    this.#last.set(key, ended)
    return mine
  }
}
