import type { TargetRecord } from '../router-state.ts'
import { type GivenConnection, LiveTarget } from './live-target.ts'

/** How long a connection without any target is held before it is reset: long enough for a restart that is under way. */
const HOLD_MS = 1000

/** The targets of one role of one scope. A connection is registered at the target in the same turn in which it chose it. */
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
   * The next target in turn that this connection has not tried. Without an Active one: one that is Down, as a last resort (it may have
   * been restarted while nobody could tell us), and never one that drains.
   */
  claim(connection: GivenConnection, tried: ReadonlySet<LiveTarget> | null): LiveTarget | null {
    const from = this.#active.length > 0 ? this.#active : this.#targets.filter(({ record }) => record.state === 'Down')
    for (let step = 0; step < from.length; step++) {
      const target = from[this.#next++ % from.length]
      if (target === undefined || tried?.has(target)) continue
      target.open.add(connection)
      return target
    }
    return null
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

  /** Connections on which no byte went either way yet lose nothing by another target. */
  #moveUnused(): void {
    if (this.#active.length === 0) return
    for (const target of this.#targets) {
      if (target.record.state === 'Active') continue
      for (const connection of target.open) connection.moveUnused()
    }
  }
}

const samePlace = (a: TargetRecord, b: TargetRecord) =>
  a.revision === b.revision && a.address.host === b.address.host && a.address.port === b.address.port
