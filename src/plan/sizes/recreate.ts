import type { RolloutSpec } from '../../model/rollout.ts'
import type { CountedSet, Sizes } from './counted-set.ts'
import { scaleUp } from './scale-up.ts'

/** Whether a replica of an old set may still be a process. What is not known counts as running (`TestOldPodsRunning`). */
export const oldStillRuns = (old: readonly CountedSet[]): boolean =>
  old.some((set) => set.total > 0 || set.terminating !== 0)

/** All old sets to 0 in one step; the new one at full size when the last old process is gone (rollout-semantics.md 1.2). */
export function recreate(spec: RolloutSpec, next: CountedSet, old: readonly CountedSet[]): Sizes {
  const active = old.filter((set) => set.size > 0)
  if (active.length > 0) return new Map(active.map((set) => [set.revision, 0]))
  return oldStillRuns(old) ? new Map() : scaleUp(spec, next, old)
}
