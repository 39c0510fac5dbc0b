import type { RoleProgress } from '../../model/event.ts'
import type { FailureReport } from '../../model/failure.ts'
import { endStateOf } from '../../plan/end-state.ts'
import { steerRollout, type Verdict } from '../../plan/steer-rollout.ts'
import { firstCauseOf, nextCauseMs } from '../environment/first-cause-of.ts'
import type { EnvironmentState } from '../environment/environment-state.ts'
import { readCounts, type RoundOutcome } from '../environment/round.ts'
import type { ActiveRollout } from './active-rollout.ts'
import { endTouched } from './end-rollout.ts'
import { goBack } from './go-back.ts'
import { progress } from './progress.ts'

/** What a round led to. `untilMs`: wall time at which to look again though nothing changed; null: never. */
export interface Steered {
  readonly ended: boolean
  readonly untilMs: number | null
}

const ENDED: Steered = { ended: true, untilMs: null }

/** After a round: tells the progress, measures, and does what the verdict says. */
export async function afterRound(
  active: ActiveRollout,
  state: EnvironmentState,
  outcome: RoundOutcome,
): Promise<Steered> {
  await tellProgress(active, state, outcome)
  active.probing.startWhenServing(outcome.router)
  const nowMs = active.place.clock.now()
  const { settings } = active.to
  const firstCause = outcome.stepFailure ?? firstCauseOf(active.rollout.to, settings, outcome.observed, nowMs)
  if (settings.rollout.onFailure === 'continue') await keepFailure(active, state, firstCause)
  const verdict = steerRollout(
    {
      rollout: active.rollout,
      settings: settings.rollout,
      complete: outcome.plan.complete,
      firstCause,
      paused: state.desired.paused,
      busyUntilMs: outcome.busyUntilMs,
    },
    nowMs,
  )
  await active.stream.flush()
  return follow(active, state, outcome, verdict)
}

async function follow(
  active: ActiveRollout,
  state: EnvironmentState,
  outcome: RoundOutcome,
  verdict: Verdict,
): Promise<Steered> {
  const { rollout } = active
  switch (verdict.kind) {
    case 'go-on':
      return { ended: false, untilMs: nextLookMs(active, verdict.untilMs, outcome) }
    case 'complete':
      await endTouched(active, state, rollout.phase === 'RollingBack' ? 'all-old' : 'all-new', rollout.failure, outcome)
      return ENDED
    case 'roll-back':
      await goBack(active, state, verdict.failure, outcome)
      return { ended: false, untilMs: active.place.clock.now() }
    case 'hold':
      await state.save({ ...state.desired, paused: true })
      await endTouched(active, state, endStateOf(outcome.observed, rollout.from, false), verdict.failure, outcome)
      return ENDED
    case 'give-up':
      await endTouched(active, state, endStateOf(outcome.observed, rollout.from, false), verdict.failure, outcome)
      return ENDED
    default:
      return verdict satisfies never
  }
}

/** Under `onFailure: continue` the first cause is told and kept, and the rollout goes on. */
async function keepFailure(active: ActiveRollout, state: EnvironmentState, cause: FailureReport | null): Promise<void> {
  if (cause === null || active.rollout.failure !== null) return
  active.stream.report({ kind: 'failure', failure: cause })
  await active.save(state, { failure: active.redacted(cause) })
}

async function tellProgress(
  active: ActiveRollout,
  state: EnvironmentState,
  { plan: { roles }, router }: RoundOutcome,
): Promise<void> {
  const { stream, told: before } = active
  if (before === null && !stream.events.some(({ kind }) => kind === 'router'))
    stream.report({ ...readCounts(router), at: 'start' })
  if (before !== null && JSON.stringify(before) === JSON.stringify(roles)) return
  active.told = roles
  const { phase, to, from } = active.rollout
  stream.report({ kind: 'progress', phase, to, from, roles, requests: active.probing.counts })
  await keepProgress(active, state, before, roles)
}

async function keepProgress(
  active: ActiveRollout,
  state: EnvironmentState,
  before: readonly RoleProgress[] | null,
  roles: readonly RoleProgress[],
): Promise<void> {
  const progressReason = before === null ? null : progress(before, roles)
  if (progressReason !== null) await active.save(state, { progressedAtMs: active.place.clock.now(), progressReason })
}

/** The deadline, or the time at which waiting longer proves a cause. */
function nextLookMs({ rollout, to, place }: ActiveRollout, deadlineMs: number | null, { observed }: RoundOutcome) {
  const causeMs = nextCauseMs(rollout.to, to.settings, observed, place.clock.now())
  if (causeMs === null || deadlineMs === null) return causeMs ?? deadlineMs
  return Math.min(causeMs, deadlineMs)
}
