import type { PodReplacementPolicy } from '../model/engine-traits.ts'
import type { RoleProgress } from '../model/event.ts'

/** Upstream's "no deadline": the largest 32-bit number. */
const NO_DEADLINE_SECONDS = 2_147_483_647

/** Condition Progressing: when something got further the last time, and why. */
export interface Progressing {
  readonly updatedAtMs: number
  readonly reason: string
}

/** Reason of a rollout that has arrived: its deadline is never looked at again. */
export const ARRIVED = 'NewReplicaSetAvailable'
/** Reason of a rollout that took too long. It is still worked on. */
export const TOO_LATE = 'ProgressDeadlineExceeded'

/**
 * Whether a role has arrived (rollout-semantics.md 1.4). `settled`: the sizes had been decided before this was observed
 * (`observedGeneration >= generation`).
 */
export function isComplete(progress: RoleProgress, replacement: PodReplacementPolicy, settled: boolean): boolean {
  const { replicas, updated, old, available, terminating } = progress
  const arrived = settled && updated === replicas && old === 0 && available === replicas
  return arrived && (replacement === 'TerminationStarted' || terminating === 0)
}

/** Whether a role got further between two observations (rollout-semantics.md 1.4): the deadline starts again. */
export function isProgressing(before: RoleProgress, after: RoleProgress, replacement: PodReplacementPolicy): boolean {
  return (
    after.updated > before.updated ||
    after.old < before.old ||
    after.ready > before.ready ||
    after.available > before.available ||
    (replacement === 'TerminationComplete' && after.terminating < before.terminating)
  )
}

/** Whether the deadline is over; strict (rollout-semantics.md 1.4). `deadlineSeconds` or `condition` null: there is none. */
export function isTimedOut(deadlineSeconds: number | null, condition: Progressing | null, nowMs: number): boolean {
  const endsAtMs = deadlineAtMs(deadlineSeconds, condition)
  return condition !== null && endsAtMs !== null && (condition.reason === TOO_LATE || endsAtMs < nowMs)
}

/** Wall time of the deadline; null: there is none, or it is never looked at again. */
export function deadlineAtMs(deadlineSeconds: number | null, condition: Progressing | null): number | null {
  if (deadlineSeconds === null || deadlineSeconds === NO_DEADLINE_SECONDS) return null
  if (condition === null || condition.reason === ARRIVED) return null
  return condition.updatedAtMs + deadlineSeconds * 1000
}
