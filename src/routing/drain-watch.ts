import { setTimeout as delay } from 'node:timers/promises'
import { backoff } from '../lib/backoff.ts'
import { type Scope, scopeName } from '../model/app.ts'
import type { Readings } from './readings.ts'

/** The kernel tells nobody when a drained connection ends: looks with a back-off while there is one, and tells of what has changed. */
export class DrainWatch {
  readonly #readings: Readings
  readonly #changed: (scope: string) => void
  /** By scope: ends the watch that is under way. */
  readonly #watches = new Map<string, AbortController>()

  constructor(readings: Readings, changed: (scope: string) => void) {
    this.#readings = readings
    this.#changed = changed
  }

  /** From now on, and often at first: a target of the scope has just left. */
  start(scope: Scope): void {
    const name = scopeName(scope)
    const ended = new AbortController()
    this.#watches.get(name)?.abort()
    this.#watches.set(name, ended)
    const done = () => {
      if (this.#watches.get(name) === ended) this.#watches.delete(name)
    }
    this.#watch(scope, ended.signal).then(done, done)
  }

  end(): void {
    for (const ended of this.#watches.values()) ended.abort()
  }

  async #watch(scope: Scope, signal: AbortSignal): Promise<void> {
    let before: string | null = null
    for (const ms of backoff()) {
      await delay(ms, undefined, { signal })
      const draining = await this.#readings.draining(scope)
      const now = draining.map(({ replica, inFlight, open }) => `${replica} ${inFlight} ${open}`).join()
      if (now !== before) this.#changed(scopeName(scope))
      before = now
      if (draining.every(({ open }) => open === 0)) return
    }
  }
}
