import { Chain, type Link } from '../../lib/chain.ts'

/** How much later than its deadline something may end, as a part of the time. */
const GRAIN = 8

/** Things that have the same time for something. One timer for all of them and no look at the clock: for each connection that costs more than its bytes. */
export class Deadlines<T> {
  readonly #ms: number
  readonly #expire: (one: T) => void
  /** What came between two looks, the oldest first. */
  readonly #rounds: Chain<T>[] = []
  /** What came since the last look. */
  #newest = new Chain<T>()
  #timer: NodeJS.Timeout | null = null

  constructor(ms: number, expire: (one: T) => void) {
    this.#ms = ms
    this.#expire = expire
  }

  /** Its time begins, and is over when the link is removed. Does not keep the process alive. */
  add(one: T): Link<T> {
    this.#timer ??= setInterval(() => this.#look(), this.#ms / GRAIN).unref()
    return this.#newest.add(one)
  }

  #look(): void {
    this.#rounds.push(this.#newest)
    this.#newest = new Chain()
    // Even the youngest of the oldest round has had its time.
    if (this.#rounds.length > GRAIN) this.#end(this.#rounds.shift())
    if (this.#timer === null || [this.#newest, ...this.#rounds].some(({ first }) => first !== null)) return
    clearInterval(this.#timer)
    this.#timer = null
  }

  #end(round: Chain<T> | undefined): void {
    for (let link = round?.first ?? null; link !== null; link = round?.first ?? null) {
      link.remove()
      this.#expire(link.value)
    }
  }
}
