import type { ReplicaSet, RolloutSpec } from '../../model/rollout.ts'
import type { Step } from '../../model/step.ts'
import { maxTotalOf } from '../rollout-spec.ts'
import type { SeenReplica } from './availability.ts'
import { isLive } from './availability.ts'
import { freeReplicaIds } from './replica-id.ts'
import { type Decision, type Ending, named, nothing, retire } from './retire.ts'
import { whichDiesFirst } from './which-dies-first.ts'

/** A replica that ended by itself keeps its place so long: replacing it is no hot loop, and its end can be read. */
export const REPLACE_AFTER_MS = 1000

/** One role as the ReplicaSet level sees it. */
export interface RoleReplicas {
  readonly spec: RolloutSpec
  /** Sets with the sizes to reach; every replica belongs to one of them. */
  readonly sets: readonly ReplicaSet[]
  readonly seen: readonly SeenReplica[]
  /** Why live replicas of a set beyond its size go, for people. */
  readonly surplusCause: (set: ReplicaSet) => string
  readonly endingOf: (revision: number) => Ending
  /** Ids that must not be given to a new replica, over all roles. */
  readonly taken: ReadonlySet<string>
}

/**
 * The ReplicaSet level: sizes to named steps, so that each set gets as many live replicas as it should have.
 *
 * What is *retired* is decided anew each round and remembered nowhere: the live replicas of a set beyond its size, those that
 * are draining already first. So a loop that is killed between drain and stop goes on with the same replica; and a draining
 * target that is not surplus (it was taken out because it was not ready, or the size grew again) comes back when it is ready.
 * Admissions come before drains, and starts come last, because they are what fails.
 */
export function planReplicas(role: RoleReplicas, nowMs: number): Decision {
  const leaving = new Map(role.sets.flatMap((set) => surplusOf(role, set, nowMs).map((seen) => [seen.replica.id, set])))
  const decisions = role.seen.map((seen) => {
    const set = leaving.get(seen.replica.id)
    if (set !== undefined) return retire(seen, role.endingOf(set.revision), role.surplusCause(set), nowMs)
    return isLive(seen) ? keep(seen, role, leaving) : clear(seen, nowMs)
  })
  const steps = decisions.flatMap((decision) => decision.steps)
  return {
    steps: [...ORDER.flatMap((kind) => steps.filter((step) => step.kind === kind)), ...planStarts(role, nowMs)],
    untilMs: earliest(decisions.map((decision) => decision.untilMs)),
  }
}

const ORDER: readonly Step['kind'][] = ['admit', 'drain', 'stop', 'remove']

/** The earliest of some times; null: none. */
export function earliest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null)
  return known.length === 0 ? null : Math.min(...known)
}

const inSet = (set: ReplicaSet, seen: readonly SeenReplica[]): readonly SeenReplica[] =>
  seen.filter(({ replica }) => replica.revision === set.revision)

/** The live replicas of a set beyond its size. */
function surplusOf(role: RoleReplicas, set: ReplicaSet, nowMs: number): readonly SeenReplica[] {
  const live = inSet(set, role.seen).filter(isLive)
  return whichDiesFirst(live, role.spec, nowMs).slice(0, Math.max(live.length - set.size, 0))
}

/** Into the router when ready; out of it while not, as long as another one serves. */
function keep(seen: SeenReplica, role: RoleReplicas, leaving: ReadonlyMap<string, unknown>): Decision {
  const { replica, target } = seen
  if (!role.spec.routed || replica.address === null) return nothing
  if (replica.ready && target?.state !== 'Active') {
    const cause = target === null ? 'it is ready' : 'it is ready again'
    return { steps: [{ kind: 'admit', ...named(seen), address: replica.address, cause }], untilMs: null }
  }
  if (replica.ready || target?.state !== 'Active') return nothing
  const another = role.seen.some(
    (other) => other.replica.ready && other.target?.state === 'Active' && !leaving.has(other.replica.id),
  )
  return another
    ? { steps: [{ kind: 'drain', ...named(seen), cause: 'it is not ready any more' }], untilMs: null }
    : nothing
}

/** A replica that was told to go gets no traffic; one that is gone is forgotten. */
function clear(seen: SeenReplica, nowMs: number): Decision {
  if (seen.replica.phase === 'Terminating')
    return seen.target?.state === 'Active'
      ? { steps: [{ kind: 'drain', ...named(seen), cause: 'it was told to stop' }], untilMs: null }
      : nothing
  const until = restsUntilMs(seen)
  if (until > nowMs) return { steps: [], untilMs: until }
  return { steps: [{ kind: 'remove', ...named(seen), cause: 'it has stopped' }], untilMs: null }
}

/** Until when a replica that ended by itself keeps its place. */
function restsUntilMs({ replica }: SeenReplica): number {
  if (replica.phase !== 'Exited' || replica.stopSentAtMs !== null) return 0
  return (replica.lastExit?.atMs ?? 0) + REPLACE_AFTER_MS
}

/** What is missing in each set, newest first; under TerminationComplete only as far as places are free. */
function planStarts(role: RoleReplicas, nowMs: number): readonly Step[] {
  const { spec, seen } = role
  let places = Number.POSITIVE_INFINITY
  if (spec.replacement === 'TerminationComplete') {
    const wanted = role.sets.reduce((total, set) => total + set.size, 0)
    const processes = seen.filter(({ replica }) => replica.phase !== 'Exited').length
    places = Math.max(Math.max(maxTotalOf(spec), wanted) - processes, 0)
  }
  const steps: Step[] = []
  for (const set of role.sets.toSorted((a, b) => b.revision - a.revision)) {
    const there = inSet(set, seen).filter((each) => isLive(each) || restsUntilMs(each) > nowMs)
    const missing = Math.max(set.size - there.length, 0)
    const ids = freeReplicaIds(spec.role, set.revision, Math.min(missing, places - steps.length), role.taken)
    const cause = `${missing} of ${set.size} of revision ${set.revision} missing`
    for (const replica of ids) steps.push({ kind: 'start', replica, role: spec.role, revision: set.revision, cause })
  }
  return steps
}
