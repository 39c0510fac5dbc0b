import type { TargetRecord } from './router-state.ts'

/**
 * Targets that drain and whose sockets need not be read again: none was open when it was proven that no new one can come, or the process
 * is gone. Each reading starts a program; a rollout has many of them.
 */
export class SilentTargets {
  /** Since when a target that drained was silent as the one of that time, by scope and replica. */
  readonly #since = new Map<string, number>()

  add(scope: string, { replica, sinceMs }: TargetRecord): void {
    this.#since.set(`${scope} ${replica}`, sinceMs)
  }

  /** One that was admitted again meanwhile, and drains anew, is not. */
  has(scope: string, { replica, state, sinceMs }: TargetRecord): boolean {
    return state === 'Draining' && this.#since.get(`${scope} ${replica}`) === sinceMs
  }

  forget(scope: string, replica: string): void {
    this.#since.delete(`${scope} ${replica}`)
  }
}
