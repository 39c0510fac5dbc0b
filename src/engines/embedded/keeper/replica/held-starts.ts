import { type Scope, scopeName } from '../../../../model/app.ts'
import type { Launch } from '../../launch.ts'
import { HeldStart, type Holder } from './held-start.ts'
import type { Secrets } from '../protocol.ts'
import type { ReplicaSpec } from './replica-record.ts'

/** A start that did not come by then will hardly come: what waits for it holds memory. */
const HELD_MS = 60_000

interface Held {
  readonly start: Promise<HeldStart | null>
  readonly timer: NodeJS.Timeout
}

/** The starts of one keeper that wait for their turn, by replica. */
export class HeldStarts {
  readonly #around: Holder
  readonly #held = new Map<string, Held>()

  constructor(around: Holder) {
    this.#around = around
  }

  get size(): number {
    return this.#held.size
  }

  /** Makes one ready; one that waits for the same launch already goes on waiting. */
  async hold(spec: ReplicaSpec, secrets: Secrets): Promise<void> {
    const { scope, replica } = spec.place
    const known = await this.#held.get(keyOf(scope, replica))?.start
    if (spec.launch.held === undefined || known?.isFor(spec.launch)) return
    await this.drop(scope, replica)
    const start = HeldStart.make(spec, secrets, this.#around)
    const timer = setTimeout(() => {
      this.drop(scope, replica).catch(this.#around.complain)
    }, HELD_MS).unref()
    this.#held.set(keyOf(scope, replica), { start, timer })
    await start.catch(() => this.#forget(scope, replica))
  }

  /** The one that waits for this launch, which is the caller's from now on; null: there is none. */
  async take(scope: Scope, replica: string, launch: Launch): Promise<HeldStart | null> {
    const start = await this.#held.get(keyOf(scope, replica))?.start.catch(() => null)
    if (start?.isFor(launch)) {
      this.#forget(scope, replica)
      return start
    }
    await this.drop(scope, replica)
    return null
  }

  /** Ends the one that waits, if any. */
  async drop(scope: Scope, replica: string): Promise<void> {
    const held = this.#held.get(keyOf(scope, replica))
    this.#forget(scope, replica)
    await (await held?.start.catch(() => null))?.drop()
  }

  async dropAll(): Promise<void> {
    const held = [...this.#held.values()]
    for (const { timer } of held) clearTimeout(timer)
    this.#held.clear()
    await Promise.allSettled(held.map(async ({ start }) => (await start)?.drop()))
  }

  #forget(scope: Scope, replica: string): void {
    const key = keyOf(scope, replica)
    clearTimeout(this.#held.get(key)?.timer)
    this.#held.delete(key)
  }
}

const keyOf = (scope: Scope, replica: string): string => `${scopeName(scope)}/${replica}`
