import { type Role, type Scope, scopeName } from '../../model/app.ts'
import { DeployError } from '../../model/failure.ts'
import type { Release } from '../../model/release.ts'
import type { StartStep } from '../../model/step.ts'
import type { Order } from '../engine.ts'
import type { ReplicaSpec } from './keeper/replica/replica-record.ts'
import type { KeeperClient } from './keeper-client.ts'
import type { ReplicaPlace, ReplicaRoots } from './launch.ts'
import { Turns } from './turns.ts'

/** What was made ready for a start that will come. */
interface Ahead {
  readonly spec: ReplicaSpec
  readonly order: Order
}

/**
 * The places of replicas: port, root, and the launch in it. A start makes its own, or finds the one that was made ahead of it, with a
 * process at the keeper that waits for its turn. What is ahead is known to this process alone: another one makes the same again, or
 * sweeps it away.
 */
export class StartPlaces {
  readonly #keeper: KeeperClient
  readonly #roots: ReplicaRoots
  /** Aborted when nothing more is to be done. */
  readonly #signal: AbortSignal
  readonly #ahead = new Map<string, Ahead>()
  /** What was foreseen last, by scope. */
  readonly #foreseen = new Map<string, ReadonlySet<string>>()
  readonly #working = new Set<Promise<unknown>>()
  readonly turns = new Turns()

  constructor(keeper: KeeperClient, roots: ReplicaRoots, signal: AbortSignal) {
    this.#keeper = keeper
    this.#roots = roots
    this.#signal = signal
  }

  /** Starts a replica. */
  start(step: StartStep, order: Order, signal: AbortSignal): Promise<void> {
    const { scope, token } = order
    const key = keyOf(scope, step.replica)
    return this.turns.take(key, async () => {
      const ahead = this.#ahead.get(key)
      this.#ahead.delete(key)
      const spec = ahead?.spec.place.revision === step.revision ? ahead.spec : await this.#lay(step, order, signal)
      try {
        const secrets = await order.openSecrets()
        await Promise.all([
          this.#keeper.request({ kind: 'start', scope, token, spec, secrets }, signal),
          // Beside it: what is told as started is there again after a power cut. What was ahead has been settled.
          ahead?.spec === spec ? null : this.#roots.settle(spec.place, signal),
        ])
      } catch (failed) {
        await this.#giveBack(step.replica, order)
        throw failed
      }
    })
  }

  /** Makes ready what is foreseen, and forgets what is not any more. */
  foresee(starts: readonly StartStep[], order: Order): void {
    const name = scopeName(order.scope)
    const keys = new Set(starts.map(({ replica }) => keyOf(order.scope, replica)))
    this.#foreseen.set(name, keys)
    for (const key of this.#ahead.keys())
      if (key.startsWith(`${name}/`) && !keys.has(key)) this.#inTurn(key, () => this.#forget(key))
    for (const step of starts) {
      const key = keyOf(order.scope, step.replica)
      if (!this.#ahead.has(key)) this.#inTurn(key, () => this.#make(key, step, order))
    }
  }

  /** Resolves when nothing is being made or forgotten. */
  async settled(): Promise<void> {
    while (this.#working.size > 0) await Promise.allSettled(this.#working)
  }

  /** Removes all that is ahead: its keeper has ended. */
  async removeAll(): Promise<void> {
    this.#foreseen.clear()
    await this.settled()
    for (const { spec } of this.#ahead.values()) await this.#roots.remove(spec.place.scope, spec.place.replica)
    this.#ahead.clear()
  }

  /** In the background: what fails here is found again by the start, which tells it. */
  #inTurn(key: string, action: () => Promise<void>): void {
    const working = this.turns.take(key, action).catch(() => {})
    this.#working.add(working)
    void working.then(() => this.#working.delete(working))
  }

  async #make(key: string, step: StartStep, order: Order): Promise<void> {
    const isForeseen = () => this.#foreseen.get(scopeName(order.scope))?.has(key) === true && !this.#signal.aborted
    if (!isForeseen() || this.#ahead.has(key)) return
    const { scope, token } = order
    const spec = await this.#lay(step, order, this.#signal)
    this.#ahead.set(key, { spec, order })
    const secrets = await order.openSecrets()
    await Promise.all([
      this.#keeper.request({ kind: 'hold', scope, token, spec, secrets }, this.#signal),
      this.#roots.settle(spec.place, this.#signal),
    ])
    if (!isForeseen()) await this.#forget(key)
  }

  async #forget(key: string): Promise<void> {
    const ahead = this.#ahead.get(key)
    if (ahead === undefined || this.#foreseen.get(scopeName(ahead.order.scope))?.has(key)) return
    this.#ahead.delete(key)
    const { scope, replica } = ahead.spec.place
    await this.#giveBack(replica, ahead.order)
    await this.#roots.remove(scope, replica)
  }

  async #lay(step: StartStep, order: Order, signal: AbortSignal): Promise<ReplicaSpec> {
    const { scope, token, release } = order
    const { replica, revision } = step
    const role = roleOf(release, step.role)
    // Also where the role has no port: the token is checked before anything is made.
    await this.#keeper.request({ kind: 'fence', scope, token }, signal)
    const port =
      role.port === null ? null : await this.#keeper.request<number>({ kind: 'reserve', scope, token, replica }, signal)
    const place: ReplicaPlace = { scope, replica, role: role.name, revision, port }
    try {
      return { place, launch: await this.#roots.launch(place, release, signal), release }
    } catch (failed) {
      await this.#giveBack(replica, order)
      throw failed
    }
  }

  /** Nobody will remove what was never started. */
  async #giveBack(replica: string, { scope, token }: Order): Promise<void> {
    await this.#keeper.request({ kind: 'release', scope, token, replica }, this.#signal).catch(() => {})
  }
}

/** Under which name the steps of a replica take their turns. */
export const keyOf = (scope: Scope, replica: string): string => `${scopeName(scope)}/${replica}`

function roleOf(release: Release, name: string): Role {
  const role = release.settings.roles.find((one) => one.name === name)
  if (role !== undefined) return role
  throw new DeployError('UNEXPECTED', `revision ${release.revision} of ${scopeName(release)} has no role ${name}`, {
    hint: 'This is a bug in Naru: please report it with the lines above.',
  })
}
