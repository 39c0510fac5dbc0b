import { type FailureReport, failureReport } from '../../model/failure.ts'
import type { Release } from '../../model/release.ts'
import type { EndState, Rollout } from '../../model/rollout.ts'
import { publishedRoute } from '../../model/step.ts'
import { endStateOf } from '../../plan/end-state.ts'
import { lastAllNew } from '../../plan/plan-rollback.ts'
import { abortFailure, steerRollout, type Verdict } from '../../plan/steer-rollout.ts'
import { endRollout } from './end-rollout.ts'
import type { EnvironmentState } from '../environment/environment-state.ts'
import type { EventStream } from '../event-stream.ts'
import { firstCauseOf, lastWords, nextCauseMs } from '../environment/first-cause-of.ts'
import { HISTORY, newRollout, type RollRequest } from './new-rollout.ts'
import type { Place } from '../place.ts'
import { prepareRollout } from './prepare-rollout.ts'
import { Probing } from './probing.ts'
import { progress } from './progress.ts'
import { pruneHistory } from '../environment/prune-history.ts'
import { mends, observe, readCounts, type RoundOutcome, type Seen } from '../environment/round.ts'

/** What a round led to. `untilMs`: wall time at which the deadline must be looked at again. */
export interface Steered {
  readonly ended: boolean
  readonly untilMs: number | null
}

const ENDED: Steered = { ended: true, untilMs: null }

/** A rollout that this process carries out, from its record to its end. Each change of the record is remembered before it counts. */
export class ActiveRollout {
  rollout: Rollout
  readonly to: Release
  readonly from: Release | null
  readonly stream: EventStream
  readonly probing: Probing
  /** Ends a long step (prepare, migrate) when somebody aborts or supersedes. */
  readonly interrupt = new AbortController()
  readonly #place: Place
  readonly #lost = new AbortController()
  #began: number
  #noted = new Set<string>()
  #told = ''

  private constructor(
    place: Place,
    rollout: Rollout,
    releases: { to: Release; from: Release | null },
    stream: EventStream,
  ) {
    this.#place = place
    this.rollout = rollout
    this.to = releases.to
    this.from = releases.from
    this.stream = stream
    this.probing = new Probing(place, rollout, releases.to, this.#lost.signal)
    this.#began = place.clock.monotonic()
  }

  /** Remembers a new rollout; the one under way ends as superseded by it. */
  static async begin(
    place: Place,
    state: EnvironmentState,
    request: RollRequest,
    superseded: ActiveRollout | null,
  ): Promise<ActiveRollout> {
    const { token } = await state.lease()
    const to =
      typeof request.to === 'number'
        ? await state.release(request.to)
        : await place.memory.addRelease(request.to, token)
    const history = await place.memory.rollouts(state.scope, HISTORY)
    const from = superseded === null ? lastAllNew(history) : superseded.rollout.from
    const revisions = { to: to.revision, from }
    const rollout = await place.memory.addRollout(newRollout(state.scope, request, revisions, place.clock.now()), token)
    request.stream.rollout = rollout.id
    if (superseded !== null) await superseded.supersede(state, rollout.id)
    const releases = { to, from: from === null ? null : await place.memory.release(state.scope, from) }
    return new ActiveRollout(place, rollout, releases, request.stream)
  }

  /** Goes on with a rollout that an earlier process left. */
  static async resume(
    place: Place,
    state: EnvironmentState,
    rollout: Rollout,
    stream: EventStream,
  ): Promise<ActiveRollout> {
    const from = rollout.from === null ? null : await place.memory.release(state.scope, rollout.from)
    stream.rollout = rollout.id
    stream.report({ kind: 'note', message: `a new process goes on with the rollout to revision ${rollout.to}` })
    return new ActiveRollout(place, rollout, { to: await state.release(rollout.to), from }, stream)
  }

  async save(state: EnvironmentState, change: Partial<Rollout>): Promise<void> {
    const rollout = { ...this.rollout, ...change }
    const { token } = await state.lease()
    await this.#place.memory.saveRollout(rollout, token)
    this.rollout = rollout
  }

  /** Everything before a replica is touched. False: it ended there, and nothing was changed. */
  async prepare(state: EnvironmentState, signal: AbortSignal): Promise<boolean> {
    if (this.rollout.abortedBy !== null) return !(await this.#endUntouched(state, abortFailure(this.rollout)))
    const report = this.stream.report
    if (this.rollout.kind === 'deploy' || this.rollout.kind === 'rollback') {
      try {
        const order = await state.orderFor(this.rollout.to, this.stream)
        const either = AbortSignal.any([signal, this.interrupt.signal])
        await prepareRollout(this.#place, this.rollout, { to: this.to, from: this.from }, order, report, either)
      } catch (thrown) {
        if (signal.aborted || this.interrupt.signal.aborted || mends(thrown)) throw thrown
        return !(await this.#endUntouched(state, failureReport(thrown)))
      }
      await state.save({ ...state.desired, revision: this.rollout.to, scale: {}, paused: false })
    }
    const nowMs = this.#place.clock.now()
    const migrated = this.rollout.kind === 'deploy' && this.to.settings.migrate !== null
    await this.save(state, { phase: 'Progressing', migrated, progressedAtMs: nowMs, progressReason: 'prepared' })
    report({ kind: 'station', station: 'rollout', state: 'started', note: `to revision ${this.rollout.to}` })
    return true
  }

  /** After a round: tells the progress, measures, and does what the verdict says. */
  async steer(state: EnvironmentState, outcome: RoundOutcome): Promise<Steered> {
    await this.#tellProgress(state, outcome)
    this.probing.startWhenServing(outcome.router)
    const { rollout } = this
    const firstCause =
      outcome.stepFailure ?? firstCauseOf(rollout.to, this.to.settings, outcome.observed, this.#place.clock.now())
    if (firstCause !== null && this.rollout.failure === null && this.to.settings.rollout.onFailure === 'continue') {
      this.stream.report({ kind: 'failure', failure: firstCause })
      await this.save(state, { failure: firstCause })
    }
    const verdict = steerRollout(
      {
        rollout: this.rollout,
        settings: this.to.settings.rollout,
        complete: outcome.plan.complete,
        firstCause,
        paused: state.desired.paused,
      },
      this.#place.clock.now(),
    )
    await this.stream.flush()
    return this.#follow(verdict, state, outcome)
  }

  async #follow(verdict: Verdict, state: EnvironmentState, outcome: RoundOutcome): Promise<Steered> {
    switch (verdict.kind) {
      case 'go-on':
        return { ended: false, untilMs: this.#nextLookMs(verdict.untilMs, outcome) }
      case 'complete': {
        const back = this.rollout.phase === 'RollingBack' && this.rollout.from !== this.rollout.to
        await this.#end(state, back ? 'all-old' : 'all-new', this.rollout.failure, outcome)
        return ENDED
      }
      case 'roll-back':
        if (this.rollout.from === this.rollout.to) {
          await this.#end(state, 'mixed', verdict.failure, outcome)
          return ENDED
        }
        await this.#goBack(state, verdict.failure, outcome)
        return { ended: false, untilMs: this.#place.clock.now() }
      case 'hold':
        await state.save({ ...state.desired, paused: true })
        await this.#end(state, this.#endState(outcome), verdict.failure, outcome)
        return ENDED
      case 'give-up':
        await this.#end(state, this.#endState(outcome), verdict.failure, outcome)
        return ENDED
      default:
        return verdict satisfies never
    }
  }

  /** What cannot be mended by waiting. True: it ended the rollout; false: the rollout goes back. */
  async fail(state: EnvironmentState, failure: FailureReport): Promise<boolean> {
    if (this.rollout.phase === 'Preparing') return this.#endUntouched(state, failure)
    if (this.rollout.phase === 'RollingBack') {
      const seen = await observe(this.#place, state.scope, AbortSignal.timeout(5000)).catch(() => null)
      await this.#end(state, 'mixed', this.rollout.failure ?? failure, seen)
      return true
    }
    await this.#goBack(state, failure, null)
    return false
  }

  /** Whether nothing got further for longer than the deadline. */
  isOverdue(): boolean {
    const { progressDeadlineSeconds } = this.to.settings.rollout
    return this.#place.clock.now() > this.rollout.progressedAtMs + progressDeadlineSeconds * 1000
  }

  /** Tells something once, however often it is found. */
  noteOnce(message: string): void {
    if (this.#noted.has(message)) return
    this.#noted.add(message)
    this.stream.report({ kind: 'note', message })
  }

  /** A newer rollout takes over: what is there is its starting point. */
  async supersede(state: EnvironmentState, by: number): Promise<void> {
    const failure: FailureReport = {
      code: 'ROLLOUT_SUPERSEDED',
      message: `the rollout to revision ${this.rollout.to} was superseded by rollout ${by}`,
      hint: 'Watch the newer one with: naru status --watch.',
      detail: { rollout: by },
    }
    const seen = this.rollout.phase === 'Preparing' ? null : await this.#look(state)
    await this.#finish(state, {
      endState: seen === null ? 'all-old' : this.#endState(seen),
      failure,
      supersededBy: by,
      seen,
    })
  }

  /** Admits again what was drained and still runs, and ends the operation (not the rollout) with INTERRUPTED. */
  async interruptAndPutBack(state: EnvironmentState): Promise<void> {
    const { router } = this.#place
    const signal = AbortSignal.timeout(10_000)
    const seen = await observe(this.#place, state.scope, signal)
    const running = new Map(
      seen.observed.replicas
        .filter(({ phase, ready }) => phase === 'Running' && ready)
        .map((replica) => [replica.id, replica]),
    )
    const { token } = await state.lease()
    for (const target of seen.router.targets) {
      if (target.state === 'Draining' && running.has(target.replica))
        await router.admit(state.scope, target, token, signal)
    }
    const endState = this.rollout.phase === 'Preparing' ? 'all-old' : this.#endState(seen)
    const failure: FailureReport = {
      code: 'INTERRUPTED',
      message: `interrupted on the way to revision ${this.rollout.to}; what runs now is ${endState}`,
      hint: 'Go on with: naru deploy. Go back with: naru rollback.',
      detail: { revision: this.rollout.to },
    }
    this.stream.report({ kind: 'failure', failure })
    this.stream.report({
      kind: 'end',
      revision: this.rollout.to,
      endState,
      exit: 9,
      digest: this.to.artifact.digest,
      receipt: null,
    })
    await this.stream.flush()
    await this.probing.finish()
  }

  /** The old release again: with all of it, or with nothing where nothing ran before. */
  async #goBack(state: EnvironmentState, failure: FailureReport, outcome: RoundOutcome | null): Promise<void> {
    this.stream.report({ kind: 'failure', failure })
    for (const told of outcome === null ? [] : lastWords(outcome.observed, this.rollout.to)) this.stream.report(told)
    const { from, to } = this.rollout
    const nothing = Object.fromEntries(this.to.settings.roles.map(({ name }) => [name, 0]))
    await state.save({ ...state.desired, revision: from ?? to, scale: from === null ? nothing : {}, paused: false })
    const progressedAtMs = this.#place.clock.now()
    await this.save(state, { phase: 'RollingBack', failure, progressedAtMs, progressReason: 'rolling back' })
    this.noteOnce(
      from === null ? 'nothing ran before: the new replicas are removed' : `rolling back to revision ${from}`,
    )
    await this.stream.flush()
  }

  async #tellProgress(state: EnvironmentState, { plan, router }: RoundOutcome): Promise<void> {
    const { roles } = plan
    const told = JSON.stringify(roles)
    if (told === this.#told) return
    const before = this.#told === '' ? null : (JSON.parse(this.#told) as typeof roles)
    if (before === null && !this.stream.events.some(({ kind }) => kind === 'router')) {
      this.stream.report({ ...readCounts(router), at: 'start' })
    }
    this.#told = told
    const { phase, to, from } = this.rollout
    this.stream.report({ kind: 'progress', phase, to, from, roles })
    const progressReason = before === null ? null : progress(before, roles)
    if (progressReason !== null) await this.save(state, { progressedAtMs: this.#place.clock.now(), progressReason })
  }

  /** The deadline, or the time at which waiting longer proves a cause. */
  #nextLookMs(deadlineMs: number | null, { observed }: RoundOutcome): number | null {
    const causeMs = nextCauseMs(this.rollout.to, this.to.settings, observed, this.#place.clock.now())
    if (causeMs === null || deadlineMs === null) return causeMs ?? deadlineMs
    return Math.min(causeMs, deadlineMs)
  }

  #endState(seen: Seen): EndState {
    return endStateOf(seen.observed, this.rollout.from, false)
  }

  #look(state: EnvironmentState): Promise<Seen> {
    return observe(this.#place, state.scope, AbortSignal.timeout(10_000))
  }

  /** Ends before a replica was touched: what served serves on. True, for the caller to answer with. */
  async #endUntouched(state: EnvironmentState, failure: FailureReport): Promise<true> {
    await this.#finish(state, { endState: 'all-old', failure, supersededBy: null, seen: null })
    const { token } = await state.lease()
    const routes = this.from?.settings.routes.map(publishedRoute) ?? []
    await this.#place.router.publish(state.scope, routes, token, AbortSignal.timeout(10_000))
    return true
  }

  async #end(
    state: EnvironmentState,
    endState: EndState,
    failure: FailureReport | null,
    seen: Seen | null,
  ): Promise<void> {
    const tookMs = Math.round(this.#place.clock.monotonic() - this.#began)
    this.stream.report({ kind: 'station', station: 'rollout', state: 'finished', note: endState, tookMs })
    const served = endState === 'all-old' ? this.from : this.to
    const { token } = await state.lease()
    if (endState !== 'mixed') {
      const stopped = this.rollout.kind === 'stop' || served === null
      const routes = stopped ? [] : served.settings.routes.map(publishedRoute)
      await this.#place.router.publish(state.scope, routes, token, AbortSignal.timeout(10_000))
    }
    if (this.rollout.kind === 'stop' || (endState === 'all-old' && this.from === null)) {
      await state.save({ revision: null, scale: {}, paused: false, sets: [] })
    }
    await this.#finish(state, { endState, failure, supersededBy: null, seen })
    await pruneHistory(this.#place, state, this.to.settings.rollout.revisionHistoryLimit, this.rollout)
  }

  async #finish(
    state: EnvironmentState,
    end: { endState: EndState; failure: FailureReport | null; supersededBy: number | null; seen: Seen | null },
  ): Promise<void> {
    const { token } = await state.lease()
    this.rollout = await endRollout(this.#place, this, end, token)
    this.#lost.abort()
  }
}
