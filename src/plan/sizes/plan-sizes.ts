import type { ReplicaSet, RolloutSpec } from '../../model/rollout.ts'
import { maxTotalOf } from '../rollout-spec.ts'
import type { CountedSet, Sizes } from './counted-set.ts'
import { sumSize } from './counted-set.ts'
import { isScalingEvent, scaleProportionally } from './proportional-scaling.ts'
import { recreate } from './recreate.ts'
import { scaleDown } from './scale-down.ts'
import { scaleUp } from './scale-up.ts'

/**
 * What may be done to the sizes now. `roll`: all of it. `scale`: only follow a changed number of replicas, because the
 * rollout is paused or the role's turn has not come.
 */
export type Freedom = 'roll' | 'scale'

/**
 * One round of the Deployment level: the sizes of a role's sets, in the order given. At most one kind of change
 * (rollout-semantics.md 1.2): follow a changed number of replicas, else grow the new set, else shrink the old ones.
 */
export function planSizes(
  spec: RolloutSpec,
  sets: readonly CountedSet[],
  revision: number,
  freedom: Freedom,
): readonly ReplicaSet[] {
  const scaled = mustScale(spec, sets, freedom) ? record(spec, sets, scaleProportionally(spec, sets, revision)) : sets
  const moved = scaled.some((set, index) => set.size !== sets[index]?.size)
  const sized = moved || freedom === 'scale' ? scaled : resize(spec, scaled, roll(spec, scaled, revision))
  return sized.map(({ revision, size, desiredReplicas, maxReplicas }) => ({
    role: spec.role,
    revision,
    size,
    desiredReplicas,
    maxReplicas,
  }))
}

/**
 * Recreate follows the number by itself when it may roll. While only scaling is allowed, a role at 0 has no active set that
 * could tell of a change: its one set follows, unless an old one is still on its way out.
 */
function mustScale(spec: RolloutSpec, sets: readonly CountedSet[], freedom: Freedom): boolean {
  if (freedom === 'roll' && spec.strategy === 'Recreate') return false
  return isScalingEvent(spec, sets) || (freedom === 'scale' && sets.length === 1 && sumSize(sets) === 0)
}

function roll(spec: RolloutSpec, sets: readonly CountedSet[], revision: number): Sizes {
  const next = sets.find((set) => set.revision === revision)
  if (next === undefined) return new Map()
  const old = sets.filter((set) => set !== next)
  if (spec.strategy === 'Recreate') return recreate(spec, next, old)
  const up = scaleUp(spec, next, old)
  return up.size > 0 ? up : scaleDown(spec, next, old)
}

/** New sizes; a set that changes records for what number that was. */
function resize(spec: RolloutSpec, sets: readonly CountedSet[], sizes: Sizes): readonly CountedSet[] {
  return sets.map((set) => {
    const size = sizes.get(set.revision)
    return size === undefined ? set : { ...set, size, ...recordOf(spec) }
  })
}

/** After scaling every set that is left records it, also one that kept its size: the change is dealt with. */
function record(spec: RolloutSpec, sets: readonly CountedSet[], sizes: Sizes): readonly CountedSet[] {
  return sets.map((set) => ({ ...set, size: sizes.get(set.revision) ?? set.size, ...recordOf(spec) }))
}

const recordOf = (spec: RolloutSpec) => ({ desiredReplicas: spec.replicas, maxReplicas: maxTotalOf(spec) })
