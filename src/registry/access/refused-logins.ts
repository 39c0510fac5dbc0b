import type { Clock } from '../../lib/clock.ts'
import type { RefusedLogin } from '../../model/refused-login.ts'

/** Of one address one is told in so long, and the others are counted: a machine with an old password asks again and again. */
const QUIET_MS = 60_000
/** So many are told in that time, of all addresses. */
const MOST_TOLD = 60
const MOST_ADDRESSES = 10_000

/** Tells of logins that were refused, so that whoever watches the registry sees who guesses, and nobody can fill its log. */
export class RefusedLogins {
  readonly #clock: Clock
  readonly #tell: (login: RefusedLogin) => void
  /** address → since when it is quiet, and how many were not told since. */
  readonly #quiet = new Map<string, { readonly sinceMs: number; more: number }>()
  #window = { sinceMs: 0, told: 0 }

  constructor(clock: Clock, tell: (login: RefusedLogin) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** `address` is what its client or a proxy says: of something else than an address only so much is told. */
  add({ name, address, why }: Pick<RefusedLogin, 'name' | 'address' | 'why'>): void {
    const now = this.#clock.monotonic()
    const quiet = this.#quiet.get(address)
    if ((quiet !== undefined && now - quiet.sinceMs < QUIET_MS) || !this.#mayTell(now)) {
      if (quiet === undefined) this.#keep(address, { sinceMs: now - QUIET_MS, more: 1 })
      else quiet.more++
      return
    }
    this.#keep(address, { sinceMs: now, more: 0 })
    const shown = address.replace(/[^0-9a-zA-Z:.%-]/g, '?')
    const more = quiet?.more ?? 0
    this.#tell({ kind: 'login-refused', atMs: this.#clock.now(), name, address: shown, why, more })
  }

  #mayTell(now: number): boolean {
    if (this.#window.told === 0 || now - this.#window.sinceMs >= QUIET_MS) this.#window = { sinceMs: now, told: 0 }
    if (this.#window.told >= MOST_TOLD) return false
    this.#window.told++
    return true
  }

  #keep(address: string, quiet: { readonly sinceMs: number; more: number }): void {
    this.#quiet.delete(address)
    this.#quiet.set(address, quiet)
    const [oldest] = this.#quiet.keys()
    if (this.#quiet.size > MOST_ADDRESSES && oldest !== undefined) this.#quiet.delete(oldest)
  }
}
