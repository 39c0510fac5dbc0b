import type { RoleProgress } from '../model/event.ts'
import type { Observed, ObservedRouter } from '../model/observed.ts'
import type { DesiredState, ReplicaSet, RolloutSpec } from '../model/rollout.ts'
import type { StartStep, Step } from '../model/step.ts'
import { planRole, type RolePlan } from './plan-role.ts'
import { isLive, seeReplicas, type SeenReplica } from './replicas/availability.ts'
import { earliest } from './replicas/plan-replicas.ts'

/** Everything that a round depends on besides the time. */
export interface RolloutInput {
  /** The roles of each revision in the order of its file. Needed of the wanted one; of others it says when their replicas are available and how they end. */
  readonly specs: ReadonlyMap<number, readonly RolloutSpec[]>
  readonly desired: Pick<DesiredState, 'revision' | 'paused' | 'sets'>
  readonly observed: Observed
  readonly router: ObservedRouter
}

/** One round. Sizes are an output of their own: they are saved before the first step, because their effect comes later. */
export interface RolloutPlan {
  readonly sets: readonly ReplicaSet[]
  /** In the order in which to do them; empty when complete. Where nothing can be done now: one `wait`. */
  readonly steps: readonly Step[]
  /** The starts that will follow these steps when nothing goes wrong: what may be made ready for them. */
  readonly next: readonly StartStep[]
  readonly roles: readonly RoleProgress[]
  /** Every role has arrived, and nothing else is left in the engine or the router. */
  readonly complete: boolean
  /** Wall time at which the answer changes by itself; null: only an event changes it. */
  readonly waitUntilMs: number | null
}

/** A role of which no release tells anything any more. */
const UNKNOWN: Omit<RolloutSpec, 'role'> = {
  strategy: 'RollingUpdate',
  replicas: 0,
  maxSurge: 0,
  maxUnavailable: 0,
  minReadySeconds: 0,
  replacement: 'TerminationStarted',
  drainSeconds: 0,
  terminationGracePeriodSeconds: 30,
  routed: false,
}

/**
 * One round of a rollout: what may be done now without more than `replicas + maxSurge` in all or fewer than
 * `replicas - maxUnavailable` available (rollout-semantics.md part 1). The caller saves the sizes, does the steps in order and
 * observes again. Roles are rolled one after the other in the order of the file: a role's sizes move towards the wanted
 * revision when all earlier roles have arrived. Dead replicas are replaced and changed numbers followed everywhere, always.
 * Roles that the wanted revision does not have go last; at `revision` null (`naru stop`) all go at once.
 */
export function planRollout(input: RolloutInput, nowMs: number): RolloutPlan {
  const seen = seeReplicas(input)
  const plans = planRoles(input, seen, nowMs)
  const sets = plans.flatMap((plan) => plan.sets)
  const steps = [...forgetTargets(input), ...plans.flatMap((plan) => plan.steps)]
  // A changed size makes room for the next one, whatever its steps take: a retired replica has given its place up.
  if (sizesOf(sets) !== sizesOf(input.desired.sets))
    return planRollout({ ...input, desired: { ...input.desired, sets } }, nowMs)
  const complete = steps.length === 0 && plans.every((plan) => plan.complete) && !hasLeftovers(seen)
  const waitUntilMs = earliest(plans.map((plan) => plan.waitUntilMs))
  return {
    sets,
    steps:
      steps.length > 0 || complete ? steps : [{ kind: 'wait', untilMs: waitUntilMs, cause: waitCause(input, plans) }],
    next: plans.flatMap((plan) => plan.next),
    roles: plans.map((plan) => plan.progress),
    complete,
    waitUntilMs,
  }
}

function planRoles(input: RolloutInput, seen: readonly SeenReplica[], nowMs: number): readonly RolePlan[] {
  const { specs, desired } = input
  const wanted = desired.revision === null ? [] : specsOfRevision(specs, desired.revision)
  const taken = new Set([...input.observed.replicas.map(({ id }) => id), ...input.router.targets.map((t) => t.replica)])
  const plans: RolePlan[] = []
  let mayRoll = !desired.paused
  for (const spec of [...wanted, ...leftRoles(input, wanted)]) {
    const plan = planRole(
      {
        spec,
        revision: wanted.includes(spec) ? desired.revision : null,
        sets: desired.sets.filter((set) => set.role === spec.role),
        seen: seen.filter(({ replica }) => replica.role === spec.role),
        mayRoll: mayRoll || desired.revision === null,
        endingOf: (revision) => specs.get(revision)?.find(({ role }) => role === spec.role) ?? spec,
        taken,
      },
      nowMs,
    )
    plans.push(plan)
    mayRoll &&= plan.complete
  }
  return plans
}

function specsOfRevision(specs: RolloutInput['specs'], revision: number): readonly RolloutSpec[] {
  const found = specs.get(revision)
  if (found === undefined) throw new TypeError(`the roles of revision ${revision} are not given`)
  return found
}

/** Roles that run or are remembered and that nobody wants any more: as they were, with no replica wanted. */
function leftRoles({ specs, desired, observed }: RolloutInput, wanted: readonly RolloutSpec[]): readonly RolloutSpec[] {
  const names = new Set([...desired.sets, ...observed.replicas].map(({ role }) => role))
  for (const { role } of wanted) names.delete(role)
  const newestFirst = [...specs].sort(([a], [b]) => b - a).flatMap(([, roles]) => roles)
  return [...names].sort().map((role) => {
    const last = newestFirst.find((spec) => spec.role === role) ?? { ...UNKNOWN, role }
    return { ...last, replicas: 0, maxSurge: 0, maxUnavailable: 0 }
  })
}

/** Targets whose replica the engine does not know. */
function forgetTargets({ observed, router }: RolloutInput): readonly Step[] {
  const known = new Set(observed.replicas.map(({ id }) => id))
  return router.targets
    .filter(({ replica }) => !known.has(replica))
    .map(({ replica, role, revision }) => ({ kind: 'remove', replica, role, revision, cause: 'its replica is gone' }))
}

/** The sizes as text, to compare two lists of sets. */
const sizesOf = (sets: readonly ReplicaSet[]): string =>
  sets
    .filter((set) => set.size > 0)
    .map((set) => `${set.role} ${set.revision} ${set.size}`)
    .sort()
    .join()

/** Whether a replica is on its way out, or waits to be replaced. */
const hasLeftovers = (seen: readonly SeenReplica[]): boolean => !seen.every(isLive)

/** What the first role that has not arrived waits for. */
function waitCause({ desired }: RolloutInput, plans: readonly RolePlan[]): string {
  const plan = plans.find(({ complete }) => !complete)
  if (plan === undefined) return 'the last stopped replicas are not gone yet'
  const { role, replicas, updated, available, terminating, old } = plan.progress
  if (terminating > 0) return `${role}: ${terminating} still stopping`
  if (desired.paused && updated + old >= replicas && available >= replicas) return `${role}: the rollout is paused`
  if (available < updated + old) return `${role}: ${updated + old - available} of ${updated + old} not available yet`
  return `${role}: in-flight work of retired replicas`
}
