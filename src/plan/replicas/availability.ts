import type { ObservedReplica, ObservedTarget } from '../../model/observed.ts'
import type { RolloutSpec } from '../../model/rollout.ts'

/** A replica as its engine sees it, with its target as the router sees it; null: the router does not know it. */
export interface SeenReplica {
  readonly replica: ObservedReplica
  readonly target: ObservedTarget | null
}

/** What readiness depends on. */
export type ReadinessGate = Pick<RolloutSpec, 'routed' | 'minReadySeconds'>

/** Joins what the engine and the router say. */
export function seeReplicas(
  replicas: readonly ObservedReplica[],
  targets: readonly ObservedTarget[],
): readonly SeenReplica[] {
  const byReplica = new Map(targets.map((target) => [target.replica, target]))
  return replicas.map((replica) => ({ replica, target: byReplica.get(replica.id) ?? null }))
}

/** Whether it runs or is about to, and nobody told it to go. */
export const isLive = ({ replica }: SeenReplica): boolean => replica.phase === 'Pending' || replica.phase === 'Running'

/**
 * Since when a replica is ready in the sense of a rollout; null: it is not. For a routed role the router is a readiness gate
 * (as `readinessGates` of a pod): what gets no traffic cannot stand in for what does. A role without a port and without a
 * readiness check is ready when it runs: its engine says so.
 */
export function readySinceMs(seen: SeenReplica, gate: ReadinessGate): number | null {
  const { replica, target } = seen
  if (!isLive(seen) || !replica.ready || replica.readySinceMs === null) return null
  if (!gate.routed) return replica.readySinceMs
  return target?.state === 'Active' ? Math.max(replica.readySinceMs, target.sinceMs) : null
}

/** The first moment at which it is available if it stays ready; null: it is not ready. The comparison is strict (rollout-semantics.md 1.3). */
export function availableFromMs(seen: SeenReplica, gate: ReadinessGate): number | null {
  const since = readySinceMs(seen, gate)
  if (since === null || gate.minReadySeconds === 0) return since
  return since + gate.minReadySeconds * 1000 + 1
}

/** Ready, and for long enough. Without `minReadySeconds` ready is available. */
export function isAvailable(seen: SeenReplica, gate: ReadinessGate, nowMs: number): boolean {
  const from = availableFromMs(seen, gate)
  return from !== null && (gate.minReadySeconds === 0 || from <= nowMs)
}
