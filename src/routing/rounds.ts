/**
 * Work that answers how things are now, or makes them as wanted now: one round at a time. Who asks while one runs gets the next one,
 * together with everybody else who asks meanwhile: each answer began at its call or later.
 */
export class Rounds<T> {
  readonly #work: () => Promise<T>
  #running: Promise<T> | null = null
  #next: Promise<T> | null = null

  constructor(work: () => Promise<T>) {
    this.#work = work
  }

  /** The round that is under way; null: none is. */
  get running(): Promise<T> | null {
    return this.#running
  }

  /** Resolves or rejects as a round does that begins now or later. */
  run(): Promise<T> {
    if (this.#running === null) return this.#start()
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = null
        return this.#start()
      })
    return this.#next
  }

  #start(): Promise<T> {
    const round = this.#work()
    this.#running = round
    const clear = () => {
      if (this.#running === round) this.#running = null
    }
    round.then(clear, clear)
    return round
  }
}
