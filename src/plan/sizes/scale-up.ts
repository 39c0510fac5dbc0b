import type { RolloutSpec } from '../../model/rollout.ts'
import { maxTotalOf } from '../rollout-spec.ts'
import type { CountedSet, Sizes } from './counted-set.ts'
import { sumSize, sumTerminating } from './counted-set.ts'

/**
 * The size of the new set: as far towards `replicas` as `replicas + maxSurge` leaves room (rollout-semantics.md 1.2, up).
 * Under TerminationComplete a replica on its way out still takes a place (1.3).
 */
export function scaleUp(spec: RolloutSpec, next: CountedSet, old: readonly CountedSet[]): Sizes {
  if (next.size >= spec.replicas) return new Map(next.size > spec.replicas ? [[next.revision, spec.replicas]] : [])
  const all = [next, ...old]
  const leaving = spec.replacement === 'TerminationComplete' ? sumTerminating(all) : 0
  if (leaving === null) return new Map()
  const room = maxTotalOf(spec) - sumSize(all) - leaving
  return new Map(room > 0 ? [[next.revision, next.size + Math.min(room, spec.replicas - next.size)]] : [])
}
