import type { ObservedReplica, ObservedTarget } from '../../model/observed.ts'
import type { RolloutSpec } from '../../model/rollout.ts'

/** A replica as its engine sees it, with its target as the router sees it; null: the router does not know it. */
export interface SeenReplica {
  readonly replica: ObservedReplica
  readonly target: ObservedTarget | null
  /**
   * Of its own revision, as of each ReplicaSet: a release that asks for a longer wait must not make replicas unavailable that
   * served before it. 0 where no release tells.
   */
  readonly minReadySeconds: number
}

/** What readiness depends on besides the replica. */
export type ReadinessGate = Pick<RolloutSpec, 'routed'>

/** Joins what the engine, the router and the replicas' own releases say. */
export function seeReplicas({ specs, observed, router }: Seeing): readonly SeenReplica[] {
  const byReplica = new Map(router.targets.map((target) => [target.replica, target]))
  return observed.replicas.map((replica) => {
    const own = specs.get(replica.revision)?.find(({ role }) => role === replica.role)
    return { replica, target: byReplica.get(replica.id) ?? null, minReadySeconds: own?.minReadySeconds ?? 0 }
  })
}

/** What a look at the replicas takes: the roles by revision, and both snapshots. */
interface Seeing {
  readonly specs: ReadonlyMap<number, readonly Pick<RolloutSpec, 'role' | 'minReadySeconds'>[]>
  readonly observed: { readonly replicas: readonly ObservedReplica[] }
  readonly router: { readonly targets: readonly ObservedTarget[] }
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
  if (since === null || seen.minReadySeconds === 0) return since
  return since + seen.minReadySeconds * 1000 + 1
}

/** Ready, and for long enough. Without `minReadySeconds` ready is available. */
export function isAvailable(seen: SeenReplica, gate: ReadinessGate, nowMs: number): boolean {
  const from = availableFromMs(seen, gate)
  return from !== null && (seen.minReadySeconds === 0 || from <= nowMs)
}
