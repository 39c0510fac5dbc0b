import type { RoleProgress } from '../model/event.ts'
import { progressOf } from './count-sets.ts'
import type { RolloutInput } from './plan-rollout.ts'
import { seeReplicas } from './replicas/availability.ts'

/** How far the roles that are wanted now have come towards a revision that is not wanted yet: what is there before its first round. */
export function progressNow(input: RolloutInput, revision: number, nowMs: number): readonly RoleProgress[] {
  const wanted = input.desired.revision === null ? [] : (input.specs.get(input.desired.revision) ?? [])
  const seen = seeReplicas(input)
  return wanted.map((spec) =>
    progressOf(
      spec,
      seen.filter(({ replica }) => replica.role === spec.role),
      revision,
      nowMs,
    ),
  )
}
