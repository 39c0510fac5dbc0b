import { backoff } from '../../lib/backoff.ts'
import { Signal } from '../../lib/signal.ts'
import { type Scope, scopeName } from '../../model/app.ts'
import { DeployError, failureReport } from '../../model/failure.ts'
import type { DesiredState, Rollout } from '../../model/rollout.ts'
import type { Step } from '../../model/step.ts'
import { ActiveRollout } from '../rollout/active-rollout.ts'
import { EnvironmentState } from './environment-state.ts'
import type { EventStream } from '../event-stream.ts'
import type { RollAsked, RollRequest } from '../rollout/new-rollout.ts'
import type { Place } from '../place.ts'
import { carryOutRound, mends, observe, type Seen, type Told } from './round.ts'

/** Thrown into a long step so that an abort or a newer deploy need not wait for it. */
class Interrupted extends Error {}

/** What an environment is now, for status. */
export interface EnvironmentStatus extends Seen {
  readonly desired: DesiredState
  readonly rollout: Rollout | null
}

/**
 * Keeps one environment as it should be, as long as it runs: event-driven rounds of observe, plan, apply, with or without a
 * rollout. Everything that changes what should be goes through its queue, so that there is one writer. It can be killed at
 * any instruction: a successor goes on from what is remembered and observed.
 */
export class EnvironmentLoop {
  readonly scope: Scope
  readonly #place: Place
  /** Opens the stream of an operation that an earlier process began. */
  readonly #reopen: (operation: string) => Promise<EventStream>
  readonly #changed = new Signal()
  readonly #intents: (() => Promise<void>)[] = []
  #state: EnvironmentState | null = null
  #active: ActiveRollout | null = null
  readonly #seen: Told = { replicas: null }
  #told = ''

  constructor(place: Place, scope: Scope, reopen: (operation: string) => Promise<EventStream>) {
    this.#place = place
    this.scope = scope
    this.#reopen = reopen
  }

  /** Runs until the signal; gives its lease back. */
  async run(signal: AbortSignal): Promise<void> {
    const watching = Promise.all([
      this.#watch(this.#place.engine.changes(this.scope, signal), signal),
      this.#watch(this.#place.router.changes(this.scope, signal), signal),
    ])
    let delays = backoff(50, 2000)
    while (!signal.aborted) {
      const { mark } = this.#changed
      let waitMs: number
      try {
        waitMs = await this.#turn(signal)
        delays = backoff(50, 2000)
      } catch (thrown) {
        if (signal.aborted) break
        waitMs = thrown instanceof Interrupted ? 0 : await this.#afterFailure(thrown, delays.next().value)
      }
      await this.#changed.wait(mark, waitMs, signal).catch(() => {})
    }
    await watching
    await this.#state?.letGo()
  }

  /** Begins a rollout; one that is under way is superseded. Answers the new record. */
  rollTo(request: RollRequest): Promise<Rollout> {
    this.#active?.interrupt.abort(new Interrupted())
    return this.#ask(async (state) => {
      const next = await ActiveRollout.begin(this.#place, state, request, this.#active)
      this.#active = next
      this.#told = ''
      return next.rollout
    })
  }

  /** Other numbers of replicas, by role: a rollout of its own to the same release. */
  scale(scale: Readonly<Record<string, number>>, request: RollAsked): Promise<Rollout> {
    return this.#ask(async (state) => {
      const to = this.#deployed(state)
      await state.save({ ...state.desired, scale: { ...state.desired.scale, ...scale } })
      if (this.#active !== null) return this.#active.rollout
      this.#active = await ActiveRollout.begin(this.#place, state, { ...request, to }, null)
      return this.#active.rollout
    })
  }

  /** All replicas gone and the addresses given back; deploy or rollback starts again. */
  stop(asked: RollAsked): Promise<Rollout> {
    this.#active?.interrupt.abort(new Interrupted())
    return this.#ask(async (state) => {
      const to = this.#deployed(state)
      const { settings } = await state.release(to)
      const scale = Object.fromEntries(settings.roles.map(({ name }) => [name, 0]))
      this.#active = await ActiveRollout.begin(this.#place, state, { ...asked, to }, this.#active)
      await state.save({ ...state.desired, scale, paused: false })
      return this.#active.rollout
    })
  }

  /** Pauses what is under way: from now on only scaling. */
  pause(): Promise<Rollout> {
    return this.#ask(async (state) => {
      const active = this.#underWay()
      await state.save({ ...state.desired, paused: true })
      await active.save(state, { phase: 'Paused' })
      return active.rollout
    })
  }

  /** Goes on with what was paused, or with what was held after a failure (a rollout of its own). */
  resume(request: RollAsked): Promise<Rollout> {
    return this.#ask(async (state) => {
      const to = this.#deployed(state)
      if (!state.desired.paused) throw notUnderWay(this.scope, 'Nothing is paused.')
      await state.save({ ...state.desired, paused: false })
      const progressedAtMs = this.#place.clock.now()
      if (this.#active !== null) await this.#active.save(state, { phase: 'Progressing', progressedAtMs })
      else this.#active = await ActiveRollout.begin(this.#place, state, { ...request, to }, null)
      return this.#active.rollout
    })
  }

  /** Rolls back what is under way, whatever `onFailure` says. */
  abort(by: string): Promise<Rollout> {
    this.#active?.interrupt.abort(new Interrupted())
    return this.#ask(async (state) => {
      const active = this.#underWay()
      await active.save(state, { abortedBy: by })
      return active.rollout
    })
  }

  /**
   * Before this process goes and nobody stays behind: what was drained and still runs is admitted again, and the operation
   * ends with 9. The rollout stays unfinished: the next process goes on with it.
   */
  interrupt(): Promise<void> {
    this.#active?.interrupt.abort(new Interrupted())
    return this.#ask(async (state) => {
      await this.#active?.interruptAndPutBack(state)
      this.#active = null
    })
  }

  /** What should be, what is, and what is under way. */
  async status(signal: AbortSignal): Promise<EnvironmentStatus> {
    const desired = await this.#place.memory.desired(this.scope)
    return { desired, rollout: this.#active?.rollout ?? null, ...(await observe(this.#place, this.scope, signal)) }
  }

  /** Yields at once, and whenever something may have changed. Ends with the signal. */
  async *changes(signal: AbortSignal): AsyncIterable<void> {
    while (!signal.aborted) {
      const { mark } = this.#changed
      yield
      await this.#changed.wait(mark, Number.POSITIVE_INFINITY, signal)
    }
  }

  async #watch(changes: AsyncIterable<void>, signal: AbortSignal): Promise<void> {
    try {
      for await (const _change of changes) this.#changed.notify()
    } catch (ended) {
      if (!signal.aborted) throw ended
    }
  }

  #ask<T>(intent: (state: EnvironmentState) => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.#intents.push(async () => {
      try {
        resolve(await intent(await this.#loaded()))
      } catch (failed) {
        reject(failed)
      }
    })
    this.#changed.notify()
    return promise
  }

  /** What is remembered, and the rollout that an earlier process left unfinished. */
  async #loaded(): Promise<EnvironmentState> {
    if (this.#state !== null) return this.#state
    const state = await EnvironmentState.load(this.#place, this.scope)
    const [last] = await this.#place.memory.rollouts(this.scope, 1)
    if (last !== undefined && last.phase !== 'Done') {
      const stream = await this.#reopen(last.operation)
      this.#active = await ActiveRollout.resume(this.#place, state, last, stream)
    }
    this.#state = state
    return state
  }

  /** One turn: what was asked for, then one round. Answers how long to wait when nothing changes. */
  async #turn(signal: AbortSignal): Promise<number> {
    const state = await this.#loaded()
    for (const intent of this.#intents.splice(0)) await intent()
    if (this.#active?.rollout.phase === 'Preparing' && !(await this.#active.prepare(state, signal))) this.#active = null
    if (state.desired.revision === null) {
      await state.letGo()
      return Number.POSITIVE_INFINITY
    }
    return this.#round(state, signal)
  }

  async #round(state: EnvironmentState, signal: AbortSignal): Promise<number> {
    const active = this.#active
    const stream = active?.stream ?? null
    const task = {
      scope: this.scope,
      desired: state.desired,
      release: (of: number) => state.find(of),
      orderFor: (of: number) => state.orderFor(of, stream),
      save: (desired: DesiredState) => state.save(desired),
    }
    const outcome = await carryOutRound(this.#place, task, this.#seen, (told) => stream?.report(told), signal)
    const acts = outcome.plan.steps.filter(({ kind }) => kind !== 'wait')
    const waitMs = this.#waitAfter(acts, outcome.plan.waitUntilMs)
    if (active === null) {
      if (acts.length === 0) await state.letGo()
      return waitMs
    }
    const steered = await active.steer(state, outcome)
    if (steered.ended) {
      this.#active = null
      return 0
    }
    return Math.min(waitMs, untilMs(steered.untilMs, this.#place.clock.now()))
  }

  /** Steps are looked after at once; the same ones again mean that their effect is not visible yet: that gets a moment. */
  #waitAfter(acts: readonly Step[], atMs: number | null): number {
    const told = JSON.stringify(acts)
    const again = told === this.#told
    this.#told = told
    if (acts.length === 0) return untilMs(atMs, this.#place.clock.now())
    return again ? 50 : 0
  }

  /** Infrastructure that fails is tried again, within the rollout's deadline; what cannot mend ends the rollout. */
  async #afterFailure(thrown: unknown, delayMs: number): Promise<number> {
    const active = this.#active
    const state = await this.#loaded()
    if (active === null) return delayMs
    const report = failureReport(thrown)
    active.noteOnce(`${report.message}; trying again`)
    if (mends(thrown) && !active.isOverdue()) return delayMs
    if (await active.fail(state, report)) this.#active = null
    return delayMs
  }

  #deployed(state: EnvironmentState): number {
    if (state.desired.revision !== null) return state.desired.revision
    throw new DeployError('APP_NOT_FOUND', `nothing is deployed in ${scopeName(this.scope)}`, {
      hint: 'Deploy first: naru deploy.',
    })
  }

  #underWay(): ActiveRollout {
    if (this.#active !== null) return this.#active
    throw notUnderWay(this.scope, 'No rollout is under way.')
  }
}

const notUnderWay = (scope: Scope, why: string) =>
  new DeployError('ROLLOUT_NOT_RUNNING', `${scopeName(scope)}: ${why.toLowerCase().replace(/\.$/, '')}`, {
    hint: 'See what is there with: naru status, naru history.',
  })

const untilMs = (atMs: number | null, nowMs: number): number =>
  atMs === null ? Number.POSITIVE_INFINITY : Math.max(0, atMs - nowMs)
