import { backoff } from '../../lib/backoff.ts'
import { Signal } from '../../lib/signal.ts'
import { type Scope, scopeName } from '../../model/app.ts'
import { DeployError, failureReport } from '../../model/failure.ts'
import type { ObservedRouter } from '../../model/observed.ts'
import type { DesiredState, Rollout } from '../../model/rollout.ts'
import type { Step } from '../../model/step.ts'
import type { EventStream } from '../event-stream.ts'
import type { Place } from '../place.ts'
import { Interrupted } from '../rollout/active-rollout.ts'
import { afterRound } from '../rollout/after-round.ts'
import { failRollout } from '../rollout/go-back.ts'
import { interruptRollout } from '../rollout/interrupt-rollout.ts'
import type { RollAsked, RollRequest } from '../rollout/new-rollout.ts'
import { prepareRollout } from '../rollout/prepare-rollout.ts'
import { publishRoutes } from '../rollout/publish-routes.ts'
import { HeldEnvironment } from './held-environment.ts'
import { Intents } from './intents.ts'
import { pruneHistory } from './prune-history.ts'
import { carryOutRound, isStale, mends, observe, type Seen, type Told } from './round.ts'
import { eachChange, watchPlace } from './watch-place.ts'

/** The same steps again mean that their effect is not visible yet: that gets a moment. */
const SAME_STEPS_MS = 50

/** What an environment is now, for status. */
export interface EnvironmentStatus extends Seen {
  readonly desired: DesiredState
  readonly rollout: Rollout | null
  /** The rollout is unfinished, and this process does not go on with it. */
  readonly unattended: boolean
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
  readonly #intents = new Intents()
  readonly #told: Told = { observed: null, foreseen: null }
  #held: HeldEnvironment | null = null
  #lastSteps = ''
  /** Number of the operation that changed last what should run. */
  #newest = 0
  #halted = false

  constructor(place: Place, scope: Scope, reopen: (operation: string) => Promise<EventStream>) {
    this.#place = place
    this.scope = scope
    this.#reopen = reopen
  }

  /** Runs until the signal; gives its lease back. It never throws: what fails is tried again, later and later. */
  async run(signal: AbortSignal): Promise<void> {
    const watching = watchPlace(this.#place, this.scope, this.#changed, signal)
    let delays = backoff(50, 2000)
    while (!signal.aborted) {
      const { mark } = this.#changed
      let waitMs: number
      try {
        waitMs = await this.#turn(signal)
        delays = backoff(50, 2000)
      } catch (thrown) {
        if (signal.aborted) break
        waitMs = thrown instanceof Interrupted ? 0 : delays.next().value
        if (!(thrown instanceof Interrupted)) await this.#afterFailure(thrown)
      }
      await this.#changed.wait(mark, waitMs, signal).catch(() => {})
    }
    this.#intents.close(signal.reason)
    this.#held?.active?.letGo()
    await watching
    await this.#held?.state.letGo().catch(() => {})
  }

  /** Begins a rollout; one that is under way is superseded. Answers the new record. Throws ROLLOUT_SUPERSEDED when something that was asked for later is there already. */
  rollTo(request: RollRequest): Promise<Rollout> {
    return this.#askNow((held) => {
      const { order } = request.stream
      if (order < this.#newest) throw overtaken(this.scope)
      this.#newest = order
      return held.rollTo(request)
    })
  }

  /** Other numbers of replicas, by role: a rollout of its own to the same release, or part of the one under way. */
  scale(scale: Readonly<Record<string, number>>, request: RollAsked): Promise<Rollout> {
    return this.#ask((held) => held.scale(scale, request))
  }

  /** All replicas gone and the addresses given back; deploy or rollback starts again. */
  stop(asked: RollAsked): Promise<Rollout> {
    return this.#askNow(async (held) => {
      this.#newest = Math.max(this.#newest, asked.stream.order)
      return held.stop(asked)
    })
  }

  /** Pauses what is under way: from now on only scaling. */
  pause(): Promise<Rollout> {
    return this.#ask((held) => held.pause())
  }

  /** Goes on with what was paused or interrupted, or with what was held after a failure (a rollout of its own). */
  resume(request: RollAsked): Promise<Rollout> {
    return this.#ask((held) => held.resume(request))
  }

  /** Rolls back what is under way, whatever `onFailure` says. */
  abort(by: string): Promise<Rollout> {
    return this.#askNow((held) => held.abort(by))
  }

  /**
   * Before whoever asked for an operation goes: what was drained and still runs is admitted again, and the operation ends with
   * 9. The rollout stays unfinished until the next change is asked for, here or of another process: that goes on with it.
   * Another operation that is under way by now is left alone.
   */
  interrupt(operation: string): Promise<void> {
    const answer = this.#intents.add(async () => {
      const held = await this.#hold()
      if (this.#halted || held.active?.rollout.operation !== operation) return
      this.#halted = true
      await interruptRollout(held.active, held.state)
      held.active = null
      await held.state.letGo()
    })
    this.#changed.notify()
    this.#held?.active?.interruptStep()
    return answer
  }

  /** Its rollout was interrupted, and nothing is done until something else is asked for. */
  get isHalted(): boolean {
    return this.#halted
  }

  /** What is under way; null: nothing, as far as this process knows by now. */
  get rollout(): Rollout | null {
    return this.#held?.active?.rollout ?? null
  }

  /** What should be, what is, and what is under way. */
  async status(signal: AbortSignal): Promise<EnvironmentStatus> {
    const desired = await this.#place.memory.desired(this.scope)
    const seen = await observe(this.#place, this.scope, signal)
    return { desired, rollout: this.rollout, unattended: false, ...seen }
  }

  /** Yields at once, and whenever something may have changed. Ends with the signal. */
  async *changes(signal: AbortSignal): AsyncIterable<void> {
    yield* eachChange(this.#changed, signal)
  }

  #ask<T>(intent: (held: HeldEnvironment) => Promise<T>): Promise<T> {
    const answer = this.#intents.add(async () => {
      if (this.#halted) this.#forget()
      this.#halted = false
      return this.#carryOut(intent, await this.#hold())
    })
    this.#changed.notify()
    return answer
  }

  async #carryOut<T>(intent: (held: HeldEnvironment) => Promise<T>, held: HeldEnvironment): Promise<T> {
    const before = held.active
    try {
      return await intent(held)
    } finally {
      if (held.isDoubtful) this.#forget()
      else if (held.active !== before) this.#lastSteps = ''
    }
  }

  /** The same, without waiting for a step that may take long. */
  #askNow<T>(intent: (held: HeldEnvironment) => Promise<T>): Promise<T> {
    const answer = this.#ask(intent)
    this.#held?.active?.interruptStep()
    return answer
  }

  async #hold(): Promise<HeldEnvironment> {
    this.#held ??= await HeldEnvironment.load(this.#place, this.scope, this.#reopen)
    return this.#held
  }

  #forget(): void {
    this.#held?.active?.probing.letGo()
    this.#held = null
  }

  /** One turn: what was asked for, then one round. Answers how long to wait when nothing changes. */
  async #turn(signal: AbortSignal): Promise<number> {
    await this.#hold()
    await this.#intents.carryOut()
    const held = await this.#hold()
    if (this.#halted) return Number.POSITIVE_INFINITY
    const { state, active } = held
    if (active?.rollout.phase === 'Preparing' && !(await prepareRollout(active, state, signal))) held.active = null
    if (held.active === null && state.desired.revision === null) {
      await state.letGo()
      return Number.POSITIVE_INFINITY
    }
    return this.#round(held, signal)
  }

  async #round(held: HeldEnvironment, signal: AbortSignal): Promise<number> {
    const { state, active } = held
    const stream = active?.stream ?? null
    const task = {
      scope: this.scope,
      desired: state.desired,
      release: (of: number) => state.find(of),
      orderFor: (of: number) => state.orderFor(of),
      save: (desired: DesiredState) => state.save(desired),
      publish: async (router: ObservedRouter) => {
        if (active !== null) await publishRoutes(active, state, router, signal)
      },
      beforeTraffic: async () => active?.probing.settled(),
    }
    const outcome = await carryOutRound(this.#place, task, this.#told, (told) => stream?.report(told), signal)
    const acts = outcome.plan.steps.filter(({ kind }) => kind !== 'wait')
    const waitMs = this.#waitAfter(acts, outcome.plan.waitUntilMs)
    if (active === null) {
      if (acts.length === 0) await state.letGo()
      return waitMs
    }
    const steered = await afterRound(active, state, outcome)
    if (!steered.ended)
      return Math.min(
        waitMs,
        ...[steered.untilMs, outcome.slowStopMs].map((atMs) => untilMs(atMs, this.#place.clock.now())),
      )
    held.active = null
    // What cannot be forgotten now is forgotten after the next rollout.
    await pruneHistory(this.#place, state, active).catch(() => {})
    return 0
  }

  /** Steps are looked after at once. */
  #waitAfter(acts: readonly Step[], atMs: number | null): number {
    const steps = JSON.stringify(acts)
    const again = steps === this.#lastSteps
    this.#lastSteps = steps
    if (acts.length === 0) return untilMs(atMs, this.#place.clock.now())
    return again ? SAME_STEPS_MS : 0
  }

  /** Infrastructure that fails is tried again, within the rollout's deadline; what cannot mend ends the rollout. */
  async #afterFailure(thrown: unknown): Promise<void> {
    const held = this.#held
    if (isStale(thrown)) return this.#forget()
    if (held?.active == null) return
    const { active, state } = held
    const report = failureReport(thrown)
    active.noteOnce(`${report.message}; trying again`)
    if (mends(thrown) && !active.isOverdue()) return
    try {
      if (await failRollout(active, state, report)) held.active = null
    } catch {
      // Not even that can be written down now: the next turn finds the same failure, and tries again.
    }
  }
}

const overtaken = (scope: Scope) =>
  new DeployError('ROLLOUT_SUPERSEDED', `${scopeName(scope)} was changed meanwhile by something asked for later`, {
    hint: 'Nothing was changed. Watch the newer rollout with: naru status --watch.',
  })

const untilMs = (atMs: number | null, nowMs: number): number =>
  atMs === null ? Number.POSITIVE_INFINITY : Math.max(0, atMs - nowMs)
