import type { ReadinessGate, SeenReplica } from './availability.ts'
import { isAvailable, readySinceMs } from './availability.ts'

/** One rank of the order: the lower number dies first. */
type Rank = (seen: SeenReplica) => number

/**
 * The order in which replicas of one set are given up; the first difference decides (rollout-semantics.md 1.2; its rules 1
 * and 4 have no counterpart here). Before all others come those that the router is already draining: what was begun goes on
 * with the same replica, also after a crash of the loop.
 */
export function whichDiesFirst(
  set: readonly SeenReplica[],
  gate: ReadinessGate,
  nowMs: number,
): readonly SeenReplica[] {
  const onHost = (seen: SeenReplica): number => set.filter((other) => other.replica.host === seen.replica.host).length
  const ranks: readonly Rank[] = [
    ({ target }) => (target?.state === 'Draining' ? 0 : 1),
    ({ replica }) => (replica.phase === 'Pending' ? 0 : 1),
    (seen) => (readySinceMs(seen, gate) === null ? 0 : 1),
    // Upstream lacks this one: it can keep a replica that is only ready and kill one that is available.
    (seen) => (isAvailable(seen, gate, nowMs) ? 1 : 0),
    (seen) => -onHost(seen),
    (seen) => -(readySinceMs(seen, gate) ?? 0),
    ({ replica }) => -replica.restarts,
    ({ replica }) => -replica.startedAtMs,
  ]
  return set.toSorted((a, b) => {
    for (const rank of ranks) {
      const difference = rank(a) - rank(b)
      if (difference !== 0) return difference
    }
    return a.replica.id < b.replica.id ? 1 : -1
  })
}
