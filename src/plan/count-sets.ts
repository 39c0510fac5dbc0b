import type { RoleProgress } from '../model/event.ts'
import type { ReplicaSet, RolloutSpec } from '../model/rollout.ts'
import { isAvailable, isLive, readySinceMs, type SeenReplica } from './replicas/availability.ts'
import type { CountedSet } from './sizes/counted-set.ts'

/**
 * A role's sets with what was observed of them. Live replicas beyond a size count as terminating and not as available:
 * that they go is decided, even when a crash came before the first step of it.
 */
export function countSets(
  spec: RolloutSpec,
  sets: readonly ReplicaSet[],
  seen: readonly SeenReplica[],
  nowMs: number,
): readonly CountedSet[] {
  return sets.map((set) => {
    const own = seen.filter(({ replica }) => replica.revision === set.revision)
    const live = own.filter(isLive)
    const leaving = own.filter(({ replica }) => replica.phase === 'Terminating').length
    const available = live.filter((each) => isAvailable(each, spec, nowMs)).length
    return {
      ...set,
      total: live.length,
      available: Math.min(available, set.size),
      terminating: leaving + Math.max(live.length - set.size, 0),
    }
  })
}

/** A role's counts, for people and for the rules of completion and progress. */
export function progressOf(
  spec: RolloutSpec,
  seen: readonly SeenReplica[],
  revision: number | null,
  nowMs: number,
): RoleProgress {
  const live = seen.filter(isLive)
  const updated = live.filter(({ replica }) => replica.revision === revision).length
  return {
    role: spec.role,
    replicas: spec.replicas,
    updated,
    ready: live.filter((each) => readySinceMs(each, spec) !== null).length,
    available: live.filter((each) => isAvailable(each, spec, nowMs)).length,
    old: live.length - updated,
    terminating: seen.filter(({ replica }) => replica.phase === 'Terminating').length,
  }
}
