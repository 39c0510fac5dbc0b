import type { RolloutSpec } from '../../model/rollout.ts'
import type { Step } from '../../model/step.ts'
import type { SeenReplica } from './availability.ts'

/** How a replica of some revision ends. */
export type Ending = Pick<RolloutSpec, 'drainSeconds' | 'terminationGracePeriodSeconds'>

/** What to do with one replica now, and when time alone changes the answer; null: only an event does. */
export interface Decision {
  readonly steps: readonly Step[]
  readonly untilMs: number | null
}

/** Nothing to do, and no time at which that changes. */
export const nothing: Decision = { steps: [], untilMs: null }

/** Which replica a step is for. */
export const named = ({ replica: { id, role, revision } }: SeenReplica) => ({ replica: id, role, revision })

/**
 * The next steps on the way out of a replica that runs: drain, then stop as soon as nothing is in flight or `drainSeconds`
 * are over (design.md section 5, acknowledged drain). Without such seconds nothing is waited for but the acknowledgement: both are
 * one plan. Nothing here is final before the stop signal.
 */
export function retire(seen: SeenReplica, ending: Ending, cause: string, nowMs: number): Decision {
  const { target } = seen
  const stop: Step = { kind: 'stop', ...named(seen), graceSeconds: ending.terminationGracePeriodSeconds, cause }
  if (target?.state === 'Active') {
    const drain: Step = { kind: 'drain', ...named(seen), cause }
    return { steps: ending.drainSeconds === 0 ? [drain, stop] : [drain], untilMs: null }
  }
  if (target?.state !== 'Draining' || target.inFlight === 0) return { steps: [stop], untilMs: null }
  const deadlineMs = target.sinceMs + ending.drainSeconds * 1000
  return nowMs >= deadlineMs ? { steps: [stop], untilMs: null } : { steps: [], untilMs: deadlineMs }
}
