import { type Scope, scopeName } from '../../model/app.ts'
import { DeployError } from '../../model/failure.ts'
import type { Rollout } from '../../model/rollout.ts'
import type { EventStream } from '../event-stream.ts'
import type { Place } from '../place.ts'
import type { ActiveRollout } from '../rollout/active-rollout.ts'
import { beginRollout, resumeRollout } from '../rollout/begin-rollout.ts'
import type { RollAsked, RollRequest } from '../rollout/new-rollout.ts'
import { EnvironmentState } from './environment-state.ts'
import { nothingRuns } from './nothing-runs.ts'

/** What the one writer of an environment holds: what is remembered, and the rollout under way. Everything that may be asked for changes it. */
export class HeldEnvironment {
  readonly state: EnvironmentState
  active: ActiveRollout | null
  /** A change failed that may have been remembered before: what counts must be read again. */
  isDoubtful = false
  readonly #place: Place
  readonly #scope: Scope

  private constructor(place: Place, scope: Scope, state: EnvironmentState, active: ActiveRollout | null) {
    this.#place = place
    this.#scope = scope
    this.state = state
    this.active = active
  }

  /** What is remembered, and the rollout that an earlier process left unfinished; `reopen` opens the stream of its operation. */
  static async load(
    place: Place,
    scope: Scope,
    reopen: (operation: string) => Promise<EventStream>,
  ): Promise<HeldEnvironment> {
    const state = await EnvironmentState.load(place, scope)
    return new HeldEnvironment(place, scope, state, await resumeRollout(place, state, reopen))
  }

  /** Begins a rollout; one that is under way is superseded. */
  rollTo(request: RollRequest): Promise<Rollout> {
    return this.#begin(request, this.active)
  }

  /** Other numbers of replicas: a rollout of its own to the same release, or part of the one under way. */
  async scale(scale: Readonly<Record<string, number>>, request: RollAsked): Promise<Rollout> {
    const { state } = this
    const to = await this.#deployed()
    const rollout = this.active?.rollout ?? (await this.#begin({ ...request, to }, null))
    await state.save({ ...state.desired, scale: { ...state.desired.scale, ...scale } })
    return rollout
  }

  /** All replicas gone and the addresses given back. */
  async stop(asked: RollAsked): Promise<Rollout> {
    return this.#begin({ ...asked, to: await this.#deployed() }, this.active)
  }

  /** Pauses what is under way. Throws ROLLOUT_NOT_RUNNING. */
  async pause(): Promise<Rollout> {
    const { state, active } = this
    const rollout = active?.rollout
    if (rollout === undefined) throw this.#notUnderWay('no rollout is under way')
    if (rollout.phase === 'Preparing') throw this.#notUnderWay('the rollout has replaced nothing yet')
    await state.save({ ...state.desired, paused: true })
    if (rollout.phase === 'Progressing') await active?.save(state, { phase: 'Paused' })
    return active?.rollout ?? rollout
  }

  /** Goes on with what was paused or interrupted, or with what was held after a failure (a rollout of its own). Throws ROLLOUT_NOT_RUNNING. */
  async resume(request: RollAsked): Promise<Rollout> {
    const { state, active } = this
    const to = await this.#deployed()
    // What was interrupted goes on since this process knows of it.
    if (!state.desired.paused && active !== null) return active.rollout
    if (!state.desired.paused) throw this.#notUnderWay('nothing is paused')
    const rollout = active?.rollout ?? (await this.#begin({ ...request, to }, null))
    if (active !== null) {
      const phase = active.rollout.phase === 'Paused' ? 'Progressing' : active.rollout.phase
      await active.save(state, { phase, progressedAtMs: this.#place.clock.now() })
    }
    await state.save({ ...state.desired, paused: false })
    return rollout
  }

  /** Rolls back what is under way, whatever `onFailure` says. Throws ROLLOUT_NOT_RUNNING. */
  async abort(by: string): Promise<Rollout> {
    const { state, active } = this
    if (active === null && state.desired.paused) throw this.#isHeld()
    if (active === null) throw this.#notUnderWay('no rollout is under way')
    await active.save(state, { abortedBy: by })
    return active.rollout
  }

  async #begin(request: RollRequest, superseded: ActiveRollout | null): Promise<Rollout> {
    try {
      this.active = await beginRollout(this.#place, this.state, request, superseded)
    } catch (failed) {
      this.isDoubtful = true
      throw failed
    }
    return this.active.rollout
  }

  async #deployed(): Promise<number> {
    if (this.state.desired.revision !== null) return this.state.desired.revision
    throw await nothingRuns(this.#place, this.#scope)
  }

  /** It has ended, as `onFailure: hold` wants. */
  #isHeld(): DeployError {
    const why = `the rollout to r${this.state.desired.revision} has ended: it failed, and was held`
    return this.#notUnderWay(why, 'Go back with: naru rollback. Go on with: naru resume.')
  }

  #notUnderWay(why: string, hint = 'See what is there with: naru status, naru history.'): DeployError {
    return new DeployError('ROLLOUT_NOT_RUNNING', `${scopeName(this.#scope)}: ${why}`, { hint })
  }
}
