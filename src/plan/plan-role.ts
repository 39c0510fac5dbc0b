import type { RoleProgress } from '../model/event.ts'
import type { ReplicaSet, RolloutSpec } from '../model/rollout.ts'
import type { StartStep, Step } from '../model/step.ts'
import { isComplete } from './completion.ts'
import { countSets, progressOf } from './count-sets.ts'
import { planNext } from './plan-next.ts'
import { availableFromMs, isLive, type SeenReplica } from './replicas/availability.ts'
import { earliest, planReplicas } from './replicas/plan-replicas.ts'
import type { Ending } from './replicas/retire.ts'
import { planSizes } from './sizes/plan-sizes.ts'

/** One role of one round. */
export interface RoleInput {
  readonly spec: RolloutSpec
  /** Revision to move to; null: the role goes, whatever runs of it. */
  readonly revision: number | null
  /** As remembered. */
  readonly sets: readonly ReplicaSet[]
  readonly seen: readonly SeenReplica[]
  /** Whether sizes may move towards the wanted revision: not paused, and the role's turn. */
  readonly mayRoll: boolean
  readonly endingOf: (revision: number) => Ending
  readonly taken: ReadonlySet<string>
}

/** What one round means for one role. */
export interface RolePlan {
  readonly sets: readonly ReplicaSet[]
  readonly steps: readonly Step[]
  /** The starts that will follow. */
  readonly next: readonly StartStep[]
  readonly progress: RoleProgress
  readonly complete: boolean
  readonly waitUntilMs: number | null
}

/** One round of one role: sizes, then steps towards them. */
export function planRole(input: RoleInput, nowMs: number): RolePlan {
  const { spec, seen, revision } = input
  const before = knownSets(input)
  const sets = sizeSets(input, before, nowMs)
  const settled = sets.every((set, index) => set.size === before[index]?.size)
  const surplusCause = (set: ReplicaSet): string => causeOf(set, revision)
  const replicas = planReplicas({ ...input, sets, surplusCause }, nowMs)
  const progress = progressOf(spec, seen, revision, nowMs)
  const available = seen.map((each) => availableFromMs(each, spec)).filter((at) => at !== null && at > nowMs)
  return {
    sets: sets.filter((set) => isNeeded(set, input)),
    steps: replicas.steps,
    next: planNext(input, sets, replicas.steps),
    progress,
    complete: isComplete(progress, spec.replacement, settled),
    waitUntilMs: earliest([replicas.untilMs, ...available]),
  }
}

/**
 * The sets as remembered, one for each revision that runs without being remembered (adopted at the size it has, so that it
 * is retired under the limits and not at once), and the new one when it may be made. Sorted by age.
 */
function knownSets({ spec, sets, seen, revision, mayRoll }: RoleInput): readonly ReplicaSet[] {
  const known = new Map(sets.map((set) => [set.revision, set]))
  const add = (revision: number, size: number): void => {
    if (known.has(revision)) return
    known.set(revision, { role: spec.role, revision, size, desiredReplicas: null, maxReplicas: null })
  }
  for (const { replica } of seen)
    add(replica.revision, seen.filter((other) => isLive(other) && other.replica.revision === replica.revision).length)
  if (revision !== null && mayRoll) add(revision, 0)
  return [...known.values()].sort((a, b) => a.revision - b.revision)
}

function sizeSets(input: RoleInput, sets: readonly ReplicaSet[], nowMs: number): readonly ReplicaSet[] {
  const { spec, revision, mayRoll, seen } = input
  if (revision === null) return mayRoll ? sets.map((set) => ({ ...set, size: 0 })) : sets
  return planSizes(spec, countSets(spec, sets, seen, nowMs), revision, mayRoll ? 'roll' : 'scale')
}

/** An empty old set is forgotten when its last replica is gone. */
const isNeeded = (set: ReplicaSet, { seen, revision }: RoleInput): boolean =>
  set.size > 0 || set.revision === revision || seen.some(({ replica }) => replica.revision === set.revision)

function causeOf(set: ReplicaSet, revision: number | null): string {
  if (revision === null) return 'nothing of it is wanted any more'
  return set.revision === revision ? `scaled to ${set.size}` : `replaced by revision ${revision}`
}
