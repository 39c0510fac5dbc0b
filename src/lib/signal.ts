/** Wakes whoever waits for the next change. A change between two waits is not lost: `wait` answers at once when one came since `mark`. */
export class Signal {
  #count = 0
  #waiting = new Set<() => void>()

  /** The number of changes so far; hand it to `wait`. Read it before observing. */
  get mark(): number {
    return this.#count
  }

  /** Something changed. */
  notify(): void {
    this.#count++
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }

  /** Resolves at the first change after `mark`, or after `timeoutMs` (Infinity: never), or rejects when the signal is aborted. */
  wait(mark: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    // Never thrown: callers answer an abort with catch on what is returned.
    if (signal.aborted) return Promise.reject(signal.reason)
    if (this.#count !== mark || timeoutMs <= 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        signal.removeEventListener('abort', abort)
        settle()
      }
      const wake = () => end(resolve)
      const abort = () => end(() => reject(signal.reason))
      const timer = Number.isFinite(timeoutMs) ? setTimeout(wake, Math.min(timeoutMs, 2 ** 31 - 1)) : undefined
      this.#waiting.add(wake)
      signal.addEventListener('abort', abort, { once: true })
    })
  }
}
