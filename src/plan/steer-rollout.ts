import type { RolloutSettings } from '../model/app.ts'
import type { FailureReport } from '../model/failure.ts'
import type { Rollout } from '../model/rollout.ts'
import { deadlineAtMs, isTimedOut } from './completion.ts'

/** What to do with a rollout after a round. `go-on`: nothing has ended; `untilMs`: when its deadline must be looked at again. */
export type Verdict =
  | { readonly kind: 'go-on'; readonly untilMs: number | null }
  | { readonly kind: 'complete' }
  | { readonly kind: 'roll-back'; readonly failure: FailureReport }
  | { readonly kind: 'hold'; readonly failure: FailureReport }
  /** Neither revision could be reached in time: the end state is what is observed. */
  | { readonly kind: 'give-up'; readonly failure: FailureReport }

/** What one round has come to, as far as the way of the rollout depends on it. */
export interface RoundResult {
  readonly rollout: Rollout
  readonly settings: Pick<RolloutSettings, 'onFailure' | 'progressDeadlineSeconds'>
  /** Whether the planner has nothing left to do for the wanted revision, and the others are gone. */
  readonly complete: boolean
  /** First cause of a new replica that cannot become ready, when there is one. */
  readonly firstCause: FailureReport | null
  readonly paused: boolean
  /** Until when drains and grace periods that are under way may last: their ends are known, so no deadline counts before. */
  readonly busyUntilMs?: number | null
}

/**
 * Decides after each round, in this order: an abort, the end, a first cause, the deadline. A rollback is not rolled back
 * again: it ends all-old, or is given up at its own deadline. The deadline is suspended while paused (rollout-semantics 1.5)
 * and counts from the last progress; a rollout that already failed under `onFailure: continue` ends there.
 */
export function steerRollout(result: RoundResult, nowMs: number): Verdict {
  const { rollout, settings, firstCause } = result
  const goingBack = rollout.phase === 'RollingBack'
  if (rollout.abortedBy !== null && !goingBack) return { kind: 'roll-back', failure: abortFailure(rollout) }
  if (result.complete) return { kind: 'complete' }
  if (firstCause !== null && !goingBack && settings.onFailure !== 'continue') return onFailure(settings, firstCause)
  if (result.paused) return { kind: 'go-on', untilMs: null }
  const condition = { updatedAtMs: rollout.progressedAtMs, reason: rollout.progressReason }
  const busyUntilMs = result.busyUntilMs ?? 0
  if (nowMs <= busyUntilMs || !isTimedOut(settings.progressDeadlineSeconds, condition, nowMs)) {
    const deadlineMs = deadlineAtMs(settings.progressDeadlineSeconds, condition)
    return { kind: 'go-on', untilMs: deadlineMs === null ? null : Math.max(deadlineMs, busyUntilMs) + 1 }
  }
  const failure = rollout.failure ?? firstCause ?? deadline(rollout, settings.progressDeadlineSeconds)
  if (goingBack || settings.onFailure === 'continue') return { kind: 'give-up', failure }
  return onFailure(settings, failure)
}

function onFailure({ onFailure }: RoundResult['settings'], failure: FailureReport): Verdict {
  return { kind: onFailure === 'hold' ? 'hold' : 'roll-back', failure }
}

/** Somebody asked to go back. */
export const abortFailure = (rollout: Rollout): FailureReport => ({
  code: 'ROLLOUT_ABORTED',
  message: `the rollout to revision ${rollout.to} was aborted by ${rollout.abortedBy}`,
  hint: 'Deploy again when you are ready: naru deploy.',
  detail: { revision: rollout.to },
})

const deadline = (rollout: Rollout, seconds: number): FailureReport => ({
  code: 'ROLLOUT_DEADLINE_EXCEEDED',
  message: `nothing got further for ${seconds} s on the way to revision ${rollout.to} (last: ${rollout.progressReason})`,
  hint: `See what the replicas say: naru logs --revision ${rollout.to}. If they only need longer, raise rollout.progressDeadlineSeconds.`,
  detail: { revision: rollout.to, seconds },
})
