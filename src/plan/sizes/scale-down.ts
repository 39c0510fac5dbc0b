import type { RolloutSpec } from '../../model/rollout.ts'
import { minAvailableOf } from '../rollout-spec.ts'
import type { CountedSet, Sizes } from './counted-set.ts'
import { oldestFirst, sumAvailable, sumSize } from './counted-set.ts'

/**
 * How far the old sets may shrink now: first replicas that are not available, then available ones above the minimum,
 * oldest set first (rollout-semantics.md 1.2, down).
 */
export function scaleDown(spec: RolloutSpec, next: CountedSet, old: readonly CountedSet[]): Sizes {
  const all = [next, ...old]
  const minAvailable = minAvailableOf(spec)
  // New replicas that never become available must not eat the availability of the old ones.
  const most = sumSize(all) - minAvailable - (next.size - next.available)
  const sick = cleanUnhealthy(old, most)
  const cleaned = old.map((set) => ({ ...set, size: sick.get(set.revision) ?? set.size }))
  // No set counts more available than its size, so the spare ones are never more than `most`.
  const spare = sumAvailable(all) - minAvailable
  return new Map([...sick, ...dropHealthy(cleaned, spare)])
}

/** Replicas that are not available go first, at most `most` of them. */
export function cleanUnhealthy(old: readonly CountedSet[], most: number): Sizes {
  return drop(old, most, (set) => set.size - set.available)
}

/** Then as many of any kind as there are available ones above the minimum. */
export function dropHealthy(old: readonly CountedSet[], spare: number): Sizes {
  return drop(old, spare, (set) => set.size)
}

function drop(sets: readonly CountedSet[], most: number, droppable: (set: CountedSet) => number): Sizes {
  const sizes = new Map<number, number>()
  let left = most
  for (const set of oldestFirst(sets)) {
    const dropped = Math.min(left, droppable(set))
    if (dropped <= 0) continue
    sizes.set(set.revision, set.size - dropped)
    left -= dropped
  }
  return sizes
}
