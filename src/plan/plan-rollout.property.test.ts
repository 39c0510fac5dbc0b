import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ObservedReplica, ObservedTarget } from '../model/observed.ts'
import type { ReplicaSet, RolloutSpec } from '../model/rollout.ts'
import type { Step } from '../model/step.ts'
import { anApp, aRole, ROLLOUT_SETTINGS } from '../model/testing.ts'
import { countSets } from './count-sets.ts'
import { applyStep, withReplicas, withTargets } from './model-world.ts'
import { planRollout, type RolloutInput, type RolloutPlan } from './plan-rollout.ts'
import { isLive, type SeenReplica, seeReplicas } from './replicas/availability.ts'
import { specOf } from './rollout-spec.ts'
import { aRouter, aSpec, TRAITS } from './testing.ts'

/** What a role's limits are made of; `replicas` changes on the way. */
interface Limits {
  readonly strategy: RolloutSpec['strategy']
  readonly maxSurge: number
  readonly maxUnavailable: number
  readonly minReadySeconds: number
  readonly replacement: RolloutSpec['replacement']
  readonly drainSeconds: number
  readonly routed: boolean
}

interface State {
  readonly input: RolloutInput
  readonly limits: Limits
  readonly replicas: number
  readonly newest: number
  readonly nowMs: number
}

type Change =
  | { readonly kind: 'ready' | 'unready' | 'crash' | 'die' | 'exit' | 'busy'; readonly which: number }
  | { readonly kind: 'scale'; readonly to: number }
  | { readonly kind: 'update' | 'pause' | 'resume' }
  | { readonly kind: 'roll-back'; readonly which: number }
  | { readonly kind: 'time'; readonly ms: number }
  /** A round of which only so many steps are done before the loop is killed. */
  | { readonly kind: 'round'; readonly steps: number }

const limits: fc.Arbitrary<Limits> = fc.record({
  strategy: fc.constantFrom('RollingUpdate', 'RollingUpdate', 'Recreate'),
  maxSurge: fc.nat(3),
  maxUnavailable: fc.nat(3),
  minReadySeconds: fc.constantFrom(0, 0, 3),
  replacement: fc.constantFrom('TerminationStarted', 'TerminationComplete'),
  drainSeconds: fc.constantFrom(0, 5),
  routed: fc.boolean(),
})

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('round' as const), steps: fc.constantFrom(0, 1, 2, 99, 99) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('ready' as const), which: fc.nat(9) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('unready' as const, 'crash' as const, 'die' as const, 'exit' as const, 'busy' as const),
      which: fc.nat(9),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('scale' as const), to: fc.nat(6) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('update' as const, 'pause' as const, 'resume' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('roll-back' as const), which: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.nat(6000) }) },
)

function specOfState({ limits, replicas }: Pick<State, 'limits' | 'replicas'>): RolloutSpec {
  const { strategy, maxSurge, maxUnavailable } = limits
  const role = aRole({ replicas })
  const app = anApp({ roles: [role], rollout: { ...ROLLOUT_SETTINGS, strategy, maxSurge, maxUnavailable } })
  const posts = specOf(app, role, {}, TRAITS)
  return aSpec({ ...limits, replicas, maxSurge: posts.maxSurge, maxUnavailable: posts.maxUnavailable })
}

function begin(limits: Limits, replicas: number): State {
  const input: RolloutInput = {
    specs: new Map(),
    desired: { revision: 1, paused: false, sets: [] },
    observed: { atMs: 0, replicas: [] },
    router: aRouter([]),
  }
  return withSpecs({ input, limits, replicas, newest: 1, nowMs: 1_000_000 })
}

function withSpecs(state: State): State {
  const spec = specOfState(state)
  const revisions = Array.from({ length: state.newest }, (_, index) => index + 1)
  return { ...state, input: { ...state.input, specs: new Map(revisions.map((revision) => [revision, [spec]])) } }
}

const withDesired = (state: State, more: Partial<RolloutInput['desired']>): State => ({
  ...state,
  input: { ...state.input, desired: { ...state.input.desired, ...more } },
})

/** Changes one replica, the `which`-th of those that fit, and its target. */
function touch(
  state: State,
  which: number,
  fits: (replica: ObservedReplica) => boolean,
  replica: Partial<ObservedReplica>,
  target: Partial<ObservedTarget> = {},
): State {
  const { replicas } = state.input.observed
  const able = replicas.filter(fits)
  const chosen = able[which % Math.max(able.length, 1)]?.id
  const world = withTargets(
    withReplicas(
      state.input,
      replicas.map((each) => (each.id === chosen ? { ...each, ...replica } : each)),
    ),
    state.input.router.targets.map((each) => (each.replica === chosen ? { ...each, ...target } : each)),
  )
  return { ...state, input: { ...state.input, ...world } }
}

const live = ({ phase }: ObservedReplica): boolean => phase === 'Pending' || phase === 'Running'
const unready = { ready: false, readySinceMs: null } as const

function happen(state: State, change: Change): State {
  const { nowMs } = state
  switch (change.kind) {
    case 'ready':
      return touch(state, change.which, (r) => live(r) && !r.ready, {
        phase: 'Running',
        ready: true,
        readySinceMs: nowMs,
      })
    case 'unready':
      return touch(state, change.which, (r) => r.ready, unready)
    case 'crash':
      return touch(state, change.which, live, { ...unready, phase: 'Pending', restarts: 1 }, { state: 'Down' })
    case 'die':
      return touch(state, change.which, live, { ...unready, phase: 'Exited' }, { state: 'Down' })
    case 'exit':
      return touch(state, change.which, (r) => r.phase === 'Terminating', { phase: 'Exited' }, { inFlight: 0 })
    case 'busy':
      return touch(state, change.which, live, {}, { inFlight: 1 })
    case 'scale':
      return withSpecs({ ...state, replicas: change.to })
    case 'update':
      return withDesired(withSpecs({ ...state, newest: state.newest + 1 }), { revision: state.newest + 1 })
    case 'roll-back':
      return withDesired(state, { revision: (change.which % state.newest) + 1 })
    case 'pause':
      return withDesired(state, { paused: true })
    case 'resume':
      return withDesired(state, { paused: false })
    case 'time':
      return { ...state, nowMs: nowMs + change.ms }
    case 'round':
      return round(state, change.steps)
    default:
      return change satisfies never
  }
}

/** A stop takes time here: the process is there until it exits. */
function carryOut(input: RolloutInput, step: Step, nowMs: number): RolloutInput {
  if (step.kind !== 'stop') return { ...input, ...applyStep(input, step, nowMs) }
  const replicas = input.observed.replicas.map(
    (replica): ObservedReplica =>
      replica.id === step.replica ? { ...replica, ...unready, phase: 'Terminating', stopSentAtMs: nowMs } : replica,
  )
  return { ...input, ...withReplicas(input, replicas) }
}

function round(state: State, steps: number): State {
  const plan = planRollout(state.input, state.nowMs)
  checkPlan(state, plan)
  let input: RolloutInput = { ...state.input, desired: { ...state.input.desired, sets: plan.sets } }
  for (const step of plan.steps.slice(0, steps)) input = carryOut(input, step, state.nowMs)
  if (steps >= plan.steps.length) checkEffect(state, plan, input)
  return { ...state, input }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
const sizeIn = (sets: readonly ReplicaSet[], revision: number): number =>
  sets.find((set) => set.revision === revision)?.size ?? 0

/** Sets as the planner knows them: with those that run without being remembered. */
function countedSets(state: State) {
  const { desired } = state.input
  return countSets(specOfState(state), desired.sets, seeReplicas(state.input), state.nowMs)
}

function checkPlan(state: State, plan: RolloutPlan): void {
  const spec = specOfState(state)
  const { desired } = state.input
  expect(planRollout(state.input, state.nowMs), 'property 6: the same answer twice').toEqual(plan)
  checkSteps(state, plan)
  const before = countedSets(state)
  const scales = before.some(({ size, desiredReplicas }) => size > 0 && desiredReplicas !== spec.replicas)
  const sizeBefore = sum(before.map(({ size }) => size))
  const sizeAfter = sum(plan.sets.map(({ size }) => size))
  const fromZero = desired.paused && before.length === 1 && sizeBefore === 0
  if (scales || fromZero) return
  if (desired.paused) expect(sizeAfter, 'property 3: paused').toBe(sizeBefore)
  // Under the new sizes: a live replica that was given up and is wanted again before its stop does not leave.
  const after = countSets(spec, plan.sets, seeReplicas(state.input), state.nowMs)
  const leaving = spec.replacement === 'TerminationComplete' ? sum(after.map(({ terminating }) => terminating ?? 0)) : 0
  if (sizeAfter > sizeBefore)
    expect(sizeAfter + leaving, 'property 1: surge').toBeLessThanOrEqual(spec.replicas + spec.maxSurge)
  if (spec.strategy === 'RollingUpdate') {
    const availableBefore = sum(before.map(({ available }) => available))
    const availableAfter = sum(
      before.map(({ revision, available }) => Math.min(available, sizeIn(plan.sets, revision))),
    )
    const least = Math.min(availableBefore, spec.replicas - spec.maxUnavailable)
    expect(availableAfter, 'property 2: available').toBeGreaterThanOrEqual(least)
  }
  const shrunk = before.filter(({ revision, size }) => sizeIn(plan.sets, revision) < size)
  for (const { revision, size } of shrunk)
    if (revision === desired.revision) expect(size, 'property 4: only old sets shrink').toBeGreaterThan(spec.replicas)
}

function checkStart(spec: RolloutSpec, step: Extract<Step, { kind: 'start' }>, seen: readonly SeenReplica[]): void {
  expect(
    seen.map(({ replica }) => replica.id),
    'a new id',
  ).not.toContain(step.replica)
  const others = seen.filter(({ replica }) => replica.revision !== step.revision && replica.phase !== 'Exited')
  if (spec.strategy === 'Recreate') expect(others, 'Recreate: old and new never run together').toEqual([])
}

/** What every step must keep to, whatever happened before. */
function checkSteps(state: State, plan: RolloutPlan): void {
  const { input, nowMs } = state
  const spec = specOfState(state)
  const seen = new Map(seeReplicas(input).map((each) => [each.replica.id, each]))
  for (const step of plan.steps) {
    if (step.kind === 'start') checkStart(spec, step, seeReplicas(input))
    if (step.kind === 'admit')
      expect(seen.get(step.replica)?.replica, 'only what is ready').toMatchObject({ ready: true })
    if (step.kind === 'stop' && !isDrainedBefore(plan, step, spec)) {
      const target = seen.get(step.replica)?.target
      expect(target?.state, 'drain before stop').not.toBe('Active')
      if (target?.state === 'Draining' && target.inFlight > 0)
        expect(nowMs, 'time to drain').toBeGreaterThanOrEqual(target.sinceMs + spec.drainSeconds * 1000)
    }
    if (step.kind === 'remove') expect(seen.get(step.replica)?.replica.phase ?? 'Exited').toBe('Exited')
  }
  const rest = plan.steps.filter((step) => step.kind !== 'stop' || !isDrainedBefore(plan, step, spec))
  expect(new Set(rest.map((step) => ('replica' in step ? step.replica : ''))).size).toBe(rest.length)
}

/** Whether the same plan drains it first, and has no time to wait for. */
function isDrainedBefore({ steps }: RolloutPlan, stop: Extract<Step, { kind: 'stop' }>, spec: RolloutSpec): boolean {
  const drain = steps.findIndex((step) => step.kind === 'drain' && step.replica === stop.replica)
  return spec.drainSeconds === 0 && drain !== -1 && drain < steps.indexOf(stop)
}

/** After all steps no set has fewer available replicas than its size keeps, and no more processes than places. */
function checkEffect(state: State, plan: RolloutPlan, after: RolloutInput): void {
  const spec = specOfState(state)
  const available = countSets(spec, plan.sets, seeReplicas(after), state.nowMs)
  for (const set of countedSets(state)) {
    const size = sizeIn(plan.sets, set.revision)
    const now = available.find(({ revision }) => revision === set.revision)?.available ?? 0
    expect(now, 'the right ones die').toBeGreaterThanOrEqual(Math.min(set.available, size))
  }
  const processes = after.observed.replicas.filter(({ phase }) => phase !== 'Exited').length
  const started = plan.steps.filter(({ kind }) => kind === 'start').length
  const places = Math.max(spec.replicas + spec.maxSurge, sum(plan.sets.map(({ size }) => size)))
  if (started > 0 && spec.replacement === 'TerminationComplete') expect(processes, 'places').toBeLessThanOrEqual(places)
}

/** From now on everything becomes ready and exits, nothing is in flight: runs to the end and counts rounds that changed sizes. */
function settle(from: State): { readonly state: State; readonly resized: number } {
  let state = withDesired(from, { paused: false })
  let resized = 0
  for (let rounds = 0; rounds < 300; rounds += 1) {
    const before = state.input.desired.sets.map(({ revision, size }) => `${revision}:${size}`)
    const plan = planRollout(state.input, state.nowMs)
    if (plan.complete) return { state, resized }
    state = round(state, 99)
    const after = state.input.desired.sets.map(({ revision, size }) => `${revision}:${size}`)
    if (after.filter((text) => !text.endsWith(':0')).join() !== before.filter((text) => !text.endsWith(':0')).join())
      resized += 1
    for (const kind of ['ready', 'exit'] as const)
      for (let which = 0; which < 20; which += 1) state = happen(state, { kind, which: 0 })
    state = { ...state, nowMs: state.nowMs + 4000 }
  }
  throw new Error(`does not end: ${JSON.stringify(state.input)}`)
}

const run = (limits: Limits, replicas: number, changes: readonly Change[]): State => {
  let state = settle(begin(limits, replicas)).state
  for (const change of changes) state = happen(state, change)
  return state
}

describe('properties of the planner (rollout-semantics.md part 3)', () => {
  const history = fc.array(change, { maxLength: 40 })

  it('keeps every limit, whatever happens and wherever the loop is killed, and ends', () => {
    fc.assert(
      fc.property(limits, fc.integer({ min: 1, max: 5 }), history, (limits, replicas, changes) => {
        const state = run(limits, replicas, changes)
        const sizes = sum(state.input.desired.sets.map(({ size }) => size))
        const { state: end, resized } = settle(state)
        // One more for a changed number of replicas, one if the new set starts too large.
        expect(resized, 'property 5: it ends').toBeLessThanOrEqual(end.replicas + sizes + state.replicas + 2)
        const plan = planRollout(end.input, end.nowMs)
        expect(plan, 'property 6: empty, and it stays so').toMatchObject({
          complete: true,
          steps: [],
          waitUntilMs: null,
        })
        expect(planRollout(end.input, end.nowMs + 1_000_000)).toEqual(plan)
        const running = end.input.observed.replicas.map(({ revision }) => revision)
        expect(running, 'property 7: exactly the wanted revision').toEqual(
          Array.from({ length: end.replicas }, () => end.input.desired.revision),
        )
        if (limits.routed) expect(end.input.router.targets.every(({ state }) => state === 'Active')).toBe(true)
        expect(seeReplicas(end.input).every(isLive)).toBe(true)
      }),
      { numRuns: 1500 },
    )
  })

  it('a killed loop goes on with the same replicas: it never gives up more than a set has too many', () => {
    fc.assert(
      fc.property(limits, fc.integer({ min: 1, max: 5 }), history, fc.nat(6), (limits, replicas, changes, done) => {
        const state = run(limits, replicas, changes)
        const first = planRollout(state.input, state.nowMs)
        const killed = round(state, done)
        const second = planRollout(killed.input, killed.nowMs)
        for (const set of second.sets) {
          const own = seeReplicas(killed.input).filter(
            ({ replica }) => replica.revision === set.revision && live(replica),
          )
          const stops = second.steps.filter((step) => step.kind === 'stop' && step.revision === set.revision)
          expect(stops.length).toBeLessThanOrEqual(Math.max(own.length - set.size, 0))
        }
        const retired = (plan: RolloutPlan) =>
          plan.steps.flatMap((step) => (step.kind === 'drain' || step.kind === 'stop' ? [step.replica] : []))
        const same = JSON.stringify(first.sets) === JSON.stringify(second.sets)
        const admitted = first.steps.slice(0, done).some(({ kind }) => kind === 'admit')
        if (same && !admitted) expect(retired(first)).toEqual(expect.arrayContaining(retired(second)))
      }),
      { numRuns: 800 },
    )
  })
})
