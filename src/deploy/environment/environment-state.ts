import { type Scope, scopeName } from '../../model/app.ts'
import { DeployError } from '../../model/failure.ts'
import type { Release } from '../../model/release.ts'
import type { DesiredState } from '../../model/rollout.ts'
import type { Order } from '../../engines/engine.ts'
import { type HeldLease, holdLease } from './held-lease.ts'
import type { Place } from '../place.ts'

/** What one environment should be, as its only writer keeps it at hand: remembered first, then true here. */
export class EnvironmentState {
  readonly scope: Scope
  desired: DesiredState
  readonly #place: Place
  readonly #releases = new Map<number, Release>()
  #lease: HeldLease | null = null
  #taking: Promise<HeldLease> | null = null

  private constructor(place: Place, scope: Scope, desired: DesiredState) {
    this.#place = place
    this.scope = scope
    this.desired = desired
  }

  static async load(place: Place, scope: Scope): Promise<EnvironmentState> {
    return new EnvironmentState(place, scope, await place.memory.desired(scope))
  }

  /** The right to write, taken when it is needed. Throws LEASE_HELD, or LEASE_LOST when another took it meanwhile. */
  async lease(): Promise<HeldLease> {
    if (this.#lease?.lost.aborted) {
      const { reason } = this.#lease.lost
      this.#lease = null
      throw reason
    }
    if (this.#lease !== null) return this.#lease
    // Steps ask side by side: one lease is taken for all of them, and renewed once.
    const { memory, holder, clock } = this.#place
    this.#taking ??= holdLease(memory, this.scope, holder, clock).finally(() => {
      this.#taking = null
    })
    this.#lease = await this.#taking
    return this.#lease
  }

  /** Gives the right back: nothing is to be done for now. */
  async letGo(): Promise<void> {
    const lease = this.#lease
    this.#lease = null
    await lease?.release().catch((failed: unknown) => {
      if (!(failed instanceof DeployError && failed.code === 'LEASE_LOST')) throw failed
    })
  }

  async save(desired: DesiredState): Promise<void> {
    const { token } = await this.lease()
    await this.#place.memory.saveDesired(this.scope, desired, token)
    this.desired = desired
  }

  /** A remembered release. Throws RELEASE_NOT_FOUND. */
  async release(revision: number): Promise<Release> {
    const known = await this.find(revision)
    if (known !== null) return known
    throw new DeployError('RELEASE_NOT_FOUND', `${scopeName(this.scope)} has no revision ${revision}`, {
      hint: 'See which there are with: naru history.',
      detail: { revision },
    })
  }

  /** A remembered release, or null where history has forgotten it. */
  async find(revision: number): Promise<Release | null> {
    const known = this.#releases.get(revision) ?? (await this.#place.memory.release(this.scope, revision))
    if (known !== null) this.#releases.set(revision, known)
    return known
  }

  /** Who a step of this revision is for. */
  async orderFor(revision: number): Promise<Order> {
    const { token } = await this.lease()
    const release = await this.release(revision)
    const openSecrets = () => this.#place.memory.openSecrets(this.scope, release.secrets)
    return { scope: this.scope, token, release, openSecrets }
  }
}
