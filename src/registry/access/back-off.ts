import type { Clock } from '../../lib/clock.ts'

/** How failures of one key slow it down. */
export interface BackOffRule {
  /** So many failures cost nothing: people mistype. */
  readonly free: number
  /** The first wait; each failure after it doubles it. */
  readonly firstMs: number
  readonly mostMs: number
}

interface Entry {
  failures: number
  /** On the monotonic clock. */
  blockedUntilMs: number
  seenAtMs: number
}

/** Keys that did nothing for so long begin anew. */
const FORGET_MS = 30 * 60_000
/** Whoever has many addresses must not cost memory: those that were seen longest ago go first. */
const MOST_KEYS = 20_000

/** Makes whoever guesses wait, longer and longer. An attempt is charged before it is known how it ends, so that many at once gain nothing. */
export class BackOff {
  readonly #rule: BackOffRule
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()

  constructor(rule: BackOffRule, clock: Clock) {
    this.#rule = rule
    this.#clock = clock
  }

  /** How long this key has to wait before its next attempt; 0: it need not. */
  waitMs(key: string): number {
    return Math.max(0, (this.#entry(key)?.blockedUntilMs ?? 0) - this.#clock.monotonic())
  }

  /** Charges an attempt. */
  charge(key: string): void {
    const now = this.#clock.monotonic()
    const entry = this.#entry(key) ?? { failures: 0, blockedUntilMs: 0, seenAtMs: now }
    entry.failures++
    entry.seenAtMs = now
    const over = entry.failures - this.#rule.free
    if (over > 0) entry.blockedUntilMs = now + Math.min(this.#rule.firstMs * 2 ** (over - 1), this.#rule.mostMs)
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > MOST_KEYS && oldest !== undefined) this.#entries.delete(oldest)
  }

  /** Takes one attempt back: it was right. */
  refund(key: string): void {
    const entry = this.#entry(key)
    if (entry === undefined) return
    entry.failures--
    if (entry.failures <= this.#rule.free) entry.blockedUntilMs = 0
  }

  /** The key begins anew. */
  forget(key: string): void {
    this.#entries.delete(key)
  }

  #entry(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || this.#clock.monotonic() - entry.seenAtMs < FORGET_MS) return entry
    this.#entries.delete(key)
    return undefined
  }
}
