import type { Scope } from '../../model/app.ts'
import type { Report } from '../../model/event.ts'
import { DeployError, FAILURES, type FailureReport, failureReport } from '../../model/failure.ts'
import type { Observed, ObservedRouter } from '../../model/observed.ts'
import type { DesiredState, RolloutSpec } from '../../model/rollout.ts'
import type { StartStep, Step } from '../../model/step.ts'
import type { Order } from '../../engines/engine.ts'
import { planRollout, type RolloutPlan } from '../../plan/plan-rollout.ts'
import { specsOf } from '../../plan/rollout-spec.ts'
import type { Release } from '../../model/release.ts'
import { applyStep } from './apply-step.ts'
import type { Place } from '../place.ts'
import { nextSlowStopMs, replicaChanges } from './replica-changes.ts'

/**
 * Steps of one kind are independent of each other. Kinds of a lane go in its order: nothing is stopped before its successor is
 * admitted. A start waits for nobody: the plan has counted it in already.
 */
const STARTS = ['start'] as const
const TRAFFIC = ['admit', 'drain', 'stop', 'remove'] as const

/** What a killed process may take to be gone. */
const KILL_MS = 5000

export interface Seen {
  readonly observed: Observed
  readonly router: ObservedRouter
}

export interface RoundOutcome extends Seen {
  readonly plan: RolloutPlan
  /** What a step threw that waiting cannot mend. */
  readonly stepFailure: FailureReport | null
  /** Until when drains and grace periods that are under way may last; null: none is. */
  readonly busyUntilMs: number | null
  /** When a stop that is under way is to be told as a slow one; null: none is. */
  readonly slowStopMs: number | null
}

/** Reads everything, chooses nothing. */
export async function observe(place: Place, scope: Scope, signal: AbortSignal): Promise<Seen> {
  const [observed, router] = await Promise.all([
    place.engine.observe(scope, signal),
    place.router.observe(scope, signal),
  ])
  return { observed, router }
}

/** What a round is about: what should be, the releases by revision, and how to make an order for one. */
export interface RoundTask {
  readonly scope: Scope
  readonly desired: DesiredState
  /** null: history has forgotten it. */
  release(revision: number): Promise<Release | null>
  orderFor(revision: number): Promise<Order>
  save(desired: DesiredState): Promise<void>
  /** Before the steps: addresses follow what serves now. */
  publish(router: ObservedRouter): Promise<void>
  /** Before the first step that traffic could notice: what served until then is being measured. A start is none. */
  beforeTraffic(): Promise<void>
}

/** What was told last: the snapshot (null: nothing yet) to who follows, and the starts that will come to the engine. */
export interface Told {
  observed: Observed | null
  /** Of which revision; null: none. */
  foreseen: number | null
}

/** One round: observe, plan, remember the sizes, carry the steps out. A failed step of a kind keeps the later kinds from being tried. */
export async function carryOutRound(
  place: Place,
  task: RoundTask,
  told: Told,
  report: Report,
  signal: AbortSignal,
): Promise<RoundOutcome> {
  const { desired, scope } = task
  const seen = await observe(place, scope, signal)
  const specs = await releaseSpecs(place, desired, seen.observed, (revision) => task.release(revision))
  tellChanges(told, seen.observed, specs, report)
  const plan = planRollout({ specs, desired, ...seen }, place.clock.now())
  if (JSON.stringify(plan.sets) !== JSON.stringify(desired.sets)) await task.save({ ...desired, sets: plan.sets })
  await task.publish(seen.router)
  const foresee = () => foreseeStarts(place, task, told, plan.next)
  const stepFailure = await applyAll(place, task, plan.steps, seen.router, { report, foresee, signal })
  const slowStopMs = nextSlowStopMs(seen.observed)
  return { ...seen, plan, stepFailure, busyUntilMs: busyUntilMs(seen, specs), slowStopMs }
}

/** The first snapshot of a process is where its telling begins: what happened before was told by another one. */
function tellChanges(told: Told, observed: Observed, specs: Specs, report: Report): void {
  const graceOf = ({ revision, role }: Observed['replicas'][number]) =>
    specOf(specs, revision, role)?.terminationGracePeriodSeconds ?? 0
  for (const change of replicaChanges(told.observed ?? observed, observed, graceOf)) report(change)
  told.observed = observed
}

type Specs = ReadonlyMap<number, readonly RolloutSpec[]>

const specOf = (specs: Specs, revision: number, role: string): RolloutSpec | undefined =>
  specs.get(revision)?.find((spec) => spec.role === role)

/** When the last drain or grace period that has begun is over at the latest. */
export function busyUntilMs({ observed, router }: Seen, specs: Specs): number | null {
  const graces = observed.replicas.map(({ revision, role, phase, stopSentAtMs }) => {
    const seconds = specOf(specs, revision, role)?.terminationGracePeriodSeconds ?? 0
    return phase === 'Terminating' && stopSentAtMs !== null ? stopSentAtMs + seconds * 1000 + KILL_MS : null
  })
  const drains = router.targets.map(({ revision, role, state, sinceMs }) =>
    state === 'Draining' ? sinceMs + (specOf(specs, revision, role)?.drainSeconds ?? 0) * 1000 : null,
  )
  const ends = [...graces, ...drains].filter((atMs) => atMs !== null)
  return ends.length === 0 ? null : Math.max(...ends)
}

/** The limits of every revision that is wanted, remembered or there; only the wanted one follows `naru scale`. */
export async function releaseSpecs(
  place: Place,
  desired: DesiredState,
  observed: Observed,
  find: (revision: number) => Promise<Release | null>,
): Promise<Map<number, readonly RolloutSpec[]>> {
  const there = [...observed.replicas, ...desired.sets].map(({ revision }) => revision)
  const specs = new Map<number, readonly RolloutSpec[]>()
  for (const revision of new Set(desired.revision === null ? there : [desired.revision, ...there])) {
    const release = await find(revision)
    const scale = revision === desired.revision ? desired.scale : {}
    if (release !== null) specs.set(revision, specsOf(release.settings, scale, place.engine.traits))
  }
  return specs
}

type Apply = (step: Step) => Promise<void>

async function applyAll(
  place: Place,
  task: RoundTask,
  steps: readonly Step[],
  router: ObservedRouter,
  { report, foresee, signal }: { report: Report; foresee: () => Promise<void>; signal: AbortSignal },
): Promise<FailureReport | null> {
  reportCounts(
    steps.filter(({ kind }) => kind === 'remove'),
    router,
    report,
  )
  const drained = new Map<string, number>()
  const apply: Apply = async (step) => {
    if (!('revision' in step)) return
    await applyStep(place, step, await task.orderFor(step.revision), { report, drained, signal })
  }
  const lanes = await Promise.allSettled([
    startLane(steps, apply, foresee),
    applyLane(TRAFFIC, steps, apply, () => task.beforeTraffic()),
  ])
  const thrown = lanes.find((lane) => lane.status === 'rejected')
  if (thrown !== undefined) throw thrown.reason
  return (
    lanes.map((lane) => (lane.status === 'fulfilled' ? lane.value : null)).find((failure) => failure !== null) ?? null
  )
}

/** Tells the engine which starts will come, and once that none will any more. */
async function foreseeStarts(
  { engine }: Place,
  task: RoundTask,
  told: Told,
  next: readonly StartStep[],
): Promise<void> {
  const revision = next[0]?.revision ?? told.foreseen
  if (engine.foresee === undefined || revision === null) return
  engine.foresee(next, await task.orderFor(revision))
  told.foreseen = next.length > 0 ? revision : null
}

/** What is foreseen comes after the starts: what starts now has the machine for itself. */
async function startLane(steps: readonly Step[], apply: Apply, foresee: () => Promise<void>) {
  const failure = await applyLane(STARTS, steps, apply)
  await foresee()
  return failure
}

async function applyLane(
  lane: readonly Step['kind'][],
  steps: readonly Step[],
  apply: Apply,
  before: () => Promise<void> = () => Promise.resolve(),
): Promise<FailureReport | null> {
  if (steps.some(({ kind }) => lane.includes(kind))) await before()
  for (const kind of lane) {
    const results = await Promise.allSettled(steps.filter((step) => step.kind === kind).map(apply))
    const thrown = results.find((result) => result.status === 'rejected')?.reason as unknown
    if (thrown === undefined) continue
    if (!mends(thrown)) return failureReport(thrown)
    throw thrown
  }
  return null
}

/** A target's counts are gone with it: they are told before it is forgotten. */
function reportCounts(removals: readonly Step[], router: ObservedRouter, report: Report): void {
  const leaving = new Set(removals.flatMap((step) => ('replica' in step ? [step.replica] : [])))
  const targets = router.targets.filter(({ replica }) => leaving.has(replica))
  if (targets.length > 0) report({ ...readCounts({ ...router, targets }), at: 'remove' })
}

/** The router's counts as a happening, but for when. */
export function readCounts(router: ObservedRouter) {
  const counts = Object.fromEntries(router.targets.map((target) => [target.replica, target.counts]))
  return { kind: 'router', reading: router.reading, counts } as const
}

/**
 * Whether the same call may go through in a moment: of infrastructure, not of the release. A full disk waits for a person, and
 * a bug is neither: both end the rollout.
 */
export const mends = (thrown: unknown): boolean =>
  thrown instanceof DeployError && ((FAILURES[thrown.code].retry && thrown.code !== 'DISK_FULL') || isStale(thrown))

/** Another process wrote meanwhile: what this one knows is old, and must be read again. */
export const isStale = (thrown: unknown): boolean =>
  thrown instanceof DeployError && (thrown.code === 'FENCED' || thrown.code === 'LEASE_LOST')
