/** What was asked of a loop and is not done yet: one after the other, each answered. */
export class Intents {
  readonly #waiting: { carryOut(): Promise<void>; reject(why: unknown): void }[] = []
  #closed: { readonly why: unknown } | null = null

  /** Answers when it was carried out. Rejects with what it threw, or with why the queue was closed. */
  add<T>(intent: () => Promise<T>): Promise<T> {
    if (this.#closed !== null) return Promise.reject(this.#closed.why)
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.#waiting.push({ carryOut: () => intent().then(resolve, reject), reject })
    return promise
  }

  /** Carries out all that are there, also those that come meanwhile. It never throws. */
  async carryOut(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) await next.carryOut()
  }

  /** Nobody will carry out any more. */
  close(why: unknown): void {
    this.#closed = { why }
    for (const { reject } of this.#waiting.splice(0)) reject(why)
  }
}
