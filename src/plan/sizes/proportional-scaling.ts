import type { RolloutSpec } from '../../model/rollout.ts'
import { maxTotalOf } from '../rollout-spec.ts'
import type { CountedSet, Sizes } from './counted-set.ts'
import { oldestFirst, sumSize, sumTotal } from './counted-set.ts'

const isActive = (set: CountedSet): boolean => set.size > 0

/** Whether the wanted number changed since a set was last scaled (rollout-semantics.md 1.6). */
export const isScalingEvent = (spec: RolloutSpec, sets: readonly CountedSet[]): boolean =>
  sets.some((set) => isActive(set) && set.desiredReplicas !== null && set.desiredReplicas !== spec.replicas)

/** Whether the new set alone is all that is wanted. */
const isSaturated = (spec: RolloutSpec, set: CountedSet): boolean =>
  [set.size, set.desiredReplicas, set.available].every((number) => number === spec.replicas)

/**
 * Sizes after the wanted number changed, in the middle of a rollout or not: a sole set takes all of it, several share the
 * change in proportion (rollout-semantics.md 1.6, `TestScale`). `revision`: of the new set, where there is one.
 */
export function scaleProportionally(spec: RolloutSpec, sets: readonly CountedSet[], revision: number | null): Sizes {
  const active = sets.filter(isActive)
  const [only = oldestFirst(sets).at(-1), ...others] = active
  if (only === undefined) return new Map()
  if (others.length === 0) return new Map([[only.revision, spec.replicas]])
  const next = active.find((set) => set.revision === revision)
  if (next !== undefined && isSaturated(spec, next))
    return new Map(active.filter((set) => set !== next).map((set) => [set.revision, 0]))
  return share(spec, active, sumTotal(sets))
}

/** Each set takes its fraction of the change; what rounding leaves goes to the first of the order. */
function share(spec: RolloutSpec, active: readonly CountedSet[], running: number): Sizes {
  const allowed = spec.replicas > 0 ? maxTotalOf(spec) : 0
  const change = allowed - sumSize(active)
  const age = change > 0 ? -1 : 1
  const order = active.toSorted((a, b) => b.size - a.size || age * (a.revision - b.revision))
  const sizes = new Map<number, number>()
  let left = change
  for (const set of order) {
    const wanted = fractionOf(spec, set, running)
    const part = change > 0 ? Math.min(wanted, left) : Math.max(wanted, left)
    sizes.set(set.revision, set.size + part)
    left -= part
  }
  const [first] = order
  if (first !== undefined) sizes.set(first.revision, Math.max((sizes.get(first.revision) ?? 0) + left, 0))
  return sizes
}

/**
 * By how much a set changes to keep its share of all (`TestGetReplicaSetFraction`). `running`: replicas of the role now,
 * the measure where nothing was recorded.
 */
export function fractionOf(spec: RolloutSpec, set: CountedSet, running: number): number {
  if (spec.replicas === 0) return -set.size
  const recorded = set.maxReplicas || running
  // Sizes are not negative: rounding half up is rounding half away from zero.
  return recorded === 0 ? 0 : Math.round((set.size * maxTotalOf(spec)) / recorded) - set.size
}
