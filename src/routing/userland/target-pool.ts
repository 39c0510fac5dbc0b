import type { TargetRecord } from '../router-state.ts'
import { type GivenConnection, LiveTarget } from './live-target.ts'

/** How long a connection without any target is held before it is reset: long enough for a restart that is under way. */
const HOLD_MS = 1000
/** From so many connections on that wait for it, a target is compared with the others: it may stand still. */
const MANY_WAIT = 64

/** The targets of one role of one scope. */
export class TargetPool {
  readonly #changed: () => void
  #targets: readonly LiveTarget[] = []
  #active: readonly LiveTarget[] = []
  #next = 0
  readonly #waiting = new Set<GivenConnection>()

  /** `changed` is called when a retired target's being in flight may have changed. */
  constructor(changed: () => void) {
    this.#changed = changed
  }

  get targets(): readonly LiveTarget[] {
    return this.#targets
  }

  /** Takes over the records: what is retired gets nothing from this turn on; what waits for a target gets one. */
  set(records: readonly TargetRecord[]): void {
    const known = new Map(this.#targets.map((target) => [target.record.replica, target]))
    this.#targets = records.map((record) => {
      const target = known.get(record.replica)
      if (target === undefined || !samePlace(target.record, record)) return new LiveTarget(record)
      target.record = record
      return target
    })
    this.#active = this.#targets.filter(({ record }) => record.state === 'Active')
    this.#moveUnused()
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const connection of waiting) connection.connect()
  }

  /**
   * The next target in turn that a connection has not tried, or one for which far fewer wait: what stands still must not collect
   * connections. Without an Active one: one that is Down, as a last resort (it may have been restarted while nobody could tell us), and
   * never one that drains. The connection registers at it (`open`) in the same turn.
   */
  choose(tried: ReadonlySet<LiveTarget> | null): LiveTarget | null {
    const from = this.#active.length > 0 ? this.#active : this.#targets.filter(({ record }) => record.state === 'Down')
    const next = this.#inTurn(from, tried)
    if (next === null) return null
    return next.waiting < MANY_WAIT ? next : leastAwaited(from, tried, next)
  }

  /** Holds the connection until the targets change; false: it has waited long enough. */
  hold(connection: GivenConnection): void {
    this.#waiting.add(connection)
    setTimeout(() => {
      if (this.#waiting.delete(connection)) connection.refuse()
    }, HOLD_MS).unref()
  }

  /** The connection is over while it waited. */
  forget(connection: GivenConnection): void {
    this.#waiting.delete(connection)
  }

  /** Something happened on a connection of a target that drains. */
  touched(): void {
    this.#changed()
  }

  #inTurn(from: readonly LiveTarget[], tried: ReadonlySet<LiveTarget> | null): LiveTarget | null {
    for (let step = 0; step < from.length; step++) {
      const target = from[this.#next++ % from.length]
      if (target !== undefined && !tried?.has(target)) return target
    }
    return null
  }

  /** Connections on which no byte went either way yet lose nothing by another target. */
  #moveUnused(): void {
    if (this.#active.length === 0) return
    for (const target of this.#targets) {
      if (target.record.state === 'Active') continue
      for (const connection of target.open.values()) connection.moveUnused()
    }
  }
}

/** The one for which the fewest wait, where that is less than half of those that wait for the next in turn. */
function leastAwaited(
  from: readonly LiveTarget[],
  tried: ReadonlySet<LiveTarget> | null,
  next: LiveTarget,
): LiveTarget {
  let least = next
  for (const target of from) if (target.waiting < least.waiting && !tried?.has(target)) least = target
  return least.waiting * 2 < next.waiting ? least : next
}

const samePlace = (a: TargetRecord, b: TargetRecord) =>
  a.revision === b.revision && a.address.host === b.address.host && a.address.port === b.address.port
