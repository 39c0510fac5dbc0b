import type { RolloutSpec } from '../model/rollout.ts'
import type { Step } from '../model/step.ts'
import { allReady, applyStep, type World } from './model-world.ts'
import { planRollout, type RolloutInput } from './plan-rollout.ts'
import { isAvailable, seeReplicas } from './replicas/availability.ts'

/** One round of the simulation. */
export interface SimulatedRound {
  /** Without `wait`. */
  readonly steps: readonly Step[]
  /** Replicas of the counted roles that are available, and that there are in all, after its steps. */
  readonly available: number
  readonly total: number
}

/** The steps of a whole rollout in which everything goes well. */
export interface Simulation {
  readonly rounds: readonly SimulatedRound[]
  /** All steps in order. */
  readonly steps: readonly Step[]
  /** Lowest number of available replicas on the way, from now on; over routed roles, where there is one, else over all. */
  readonly fewestAvailable: number
  /** Wanted replicas of the same roles. */
  readonly replicas: number
  /** Whether it arrives. False while it is paused half way. */
  readonly complete: boolean
}

/** A rollout of thousands of replicas needs far fewer; a planner that does not end is a bug and must not hang. */
const MOST_ROUNDS = 100_000

/**
 * Runs the planner to its end as if every replica became ready at once and nothing were ever in flight: what `naru plan`
 * shows. Time passes only where the plan waits for it (minReadySeconds).
 */
export function simulate(input: RolloutInput, nowMs: number): Simulation {
  const counted = countedSpecs(input)
  const available = (world: World, atMs: number): number => countAvailable({ ...input, ...world }, counted, atMs)
  const rounds: SimulatedRound[] = []
  let now = nowMs
  let state: RolloutInput = input
  let fewest = available(state, now)
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const plan = planRollout(state, now)
    state = { ...state, desired: { ...state.desired, sets: plan.sets } }
    const steps = plan.steps.filter(({ kind }) => kind !== 'wait')
    for (const step of steps) {
      state = { ...state, ...applyStep(state, step, now) }
      fewest = Math.min(fewest, available(state, now))
    }
    const total = state.observed.replicas.filter(({ role, phase }) => counted.has(role) && phase !== 'Exited').length
    if (steps.length > 0) rounds.push({ steps, available: available(state, now), total })
    const settled = allReady(state, now)
    const changed = JSON.stringify(settled.observed) !== JSON.stringify(state.observed)
    state = { ...state, ...settled }
    if (steps.length > 0 || changed) continue
    if (plan.complete || plan.waitUntilMs === null) return summary(plan.complete)
    now = plan.waitUntilMs
  }
  throw new RangeError(`the plan does not end in ${MOST_ROUNDS} rounds`)

  function summary(complete: boolean): Simulation {
    const replicas = [...counted.values()].reduce((sum, spec) => sum + spec.replicas, 0)
    return { rounds, steps: rounds.flatMap(({ steps }) => steps), fewestAvailable: fewest, replicas, complete }
  }
}

/** The roles whose availability counts, by name. */
function countedSpecs({ specs, desired }: RolloutInput): ReadonlyMap<string, RolloutSpec> {
  const wanted = desired.revision === null ? [] : (specs.get(desired.revision) ?? [])
  const routed = wanted.filter((spec) => spec.routed)
  return new Map((routed.length > 0 ? routed : wanted).map((spec) => [spec.role, spec]))
}

function countAvailable(input: RolloutInput, counted: ReadonlyMap<string, RolloutSpec>, nowMs: number): number {
  return seeReplicas(input).filter((seen) => {
    const spec = counted.get(seen.replica.role)
    return spec !== undefined && isAvailable(seen, spec, nowMs)
  }).length
}
