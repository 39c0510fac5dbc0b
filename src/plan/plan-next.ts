import type { ReplicaSet, RolloutSpec } from '../model/rollout.ts'
import type { StartStep, Step } from '../model/step.ts'
import { freeReplicaIds } from './replicas/replica-id.ts'

/** What of a role says which starts come. */
interface Coming {
  readonly spec: RolloutSpec
  readonly revision: number | null
  readonly mayRoll: boolean
  readonly taken: ReadonlySet<string>
}

/**
 * The starts of a role that come after these steps when nothing goes wrong, as many as the limits allow at once: what an engine may make
 * ready meanwhile. A guess that costs nothing but work where it is wrong.
 */
export function planNext(
  { spec, revision, mayRoll, taken }: Coming,
  sets: readonly ReplicaSet[],
  steps: readonly Step[],
): readonly StartStep[] {
  if (revision === null || !mayRoll) return []
  const size = sets.find((set) => set.revision === revision)?.size ?? 0
  const atOnce = spec.strategy === 'Recreate' ? spec.replicas : Math.max(1, spec.maxSurge + spec.maxUnavailable)
  const starting = steps.flatMap((step) => (step.kind === 'start' ? [step.replica] : []))
  const count = Math.max(0, Math.min(spec.replicas - size, atOnce))
  return freeReplicaIds(spec.role, revision, count, new Set([...taken, ...starting])).map((replica) => ({
    ...{ kind: 'start', replica, role: spec.role, revision },
    cause: 'it will be next',
  }))
}
