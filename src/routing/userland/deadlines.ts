/** How much later than its deadline something may end, as a part of the time. */
const GRAIN = 8

/** Things that have the same time for something: one timer for all of them, because one for each connection costs more than its bytes. */
export class Deadlines<T> {
  readonly #ms: number
  readonly #expire: (one: T) => void
  /** By when they were added: the oldest is the first. */
  readonly #since = new Map<T, number>()
  #timer: NodeJS.Timeout | null = null

  constructor(ms: number, expire: (one: T) => void) {
    this.#ms = ms
    this.#expire = expire
  }

  /** Its time begins. Does not keep the process alive. */
  add(one: T): void {
    this.#since.delete(one)
    this.#since.set(one, performance.now())
    this.#timer ??= setInterval(() => this.#sweep(), this.#ms / GRAIN).unref()
  }

  delete(one: T): void {
    this.#since.delete(one)
  }

  #sweep(): void {
    const until = performance.now() - this.#ms
    for (const [one, since] of this.#since) {
      if (since > until) break
      this.#since.delete(one)
      this.#expire(one)
    }
    if (this.#since.size > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }
}
