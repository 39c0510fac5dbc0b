import type { Observed, ObservedReplica, ObservedRouter, ObservedTarget } from '../model/observed.ts'
import type { Step } from '../model/step.ts'

/** An engine and a router as plain data: what `naru plan` and the planner's properties run against. */
export interface World {
  readonly observed: Observed
  readonly router: ObservedRouter
}

/** The world after a step that does what it says at once: a stopped replica is gone, a started one is not ready yet. */
export function applyStep(world: World, step: Step, nowMs: number): World {
  switch (step.kind) {
    case 'start':
      return withReplicas(world, [...world.observed.replicas, started(step, nowMs)])
    case 'admit':
      return withTargets(world, [...othersOf(world, step.replica), activeTarget(step, nowMs)])
    case 'drain':
      return withTargets(
        world,
        world.router.targets.map((target) =>
          target.replica === step.replica ? { ...target, state: 'Draining', sinceMs: nowMs, inFlight: 0 } : target,
        ),
      )
    case 'stop':
      return withReplicas(
        world,
        world.observed.replicas.map((replica) => (replica.id === step.replica ? stopped(replica, nowMs) : replica)),
      )
    case 'remove':
      return withReplicas(
        withTargets(world, othersOf(world, step.replica)),
        world.observed.replicas.filter(({ id }) => id !== step.replica),
      )
    default:
      return world
  }
}

/** The world in which everything that can become ready has. */
export function allReady(world: World, nowMs: number): World {
  return withReplicas(
    world,
    world.observed.replicas.map((replica) => {
      if (replica.phase === 'Terminating') return stopped(replica, nowMs)
      if (replica.phase === 'Exited' || replica.ready) return replica
      return { ...replica, phase: 'Running', ready: true, readySinceMs: nowMs }
    }),
  )
}

/** The world with other replicas. */
export const withReplicas = (world: World, replicas: readonly ObservedReplica[]): World => ({
  ...world,
  observed: { ...world.observed, replicas },
})

/** The world with other targets. */
export const withTargets = (world: World, targets: readonly ObservedTarget[]): World => ({
  ...world,
  router: { ...world.router, targets },
})

const othersOf = ({ router }: World, replica: string): readonly ObservedTarget[] =>
  router.targets.filter((target) => target.replica !== replica)

function started(step: Extract<Step, { kind: 'start' }>, nowMs: number): ObservedReplica {
  return {
    id: step.replica,
    role: step.role,
    revision: step.revision,
    host: null,
    phase: 'Pending',
    ready: false,
    readySinceMs: null,
    startedAtMs: nowMs,
    stopSentAtMs: null,
    address: { host: '127.0.0.1', port: 20_000 },
    pid: null,
    restarts: 0,
    lastExit: null,
    lastProbe: null,
    listens: null,
  }
}

const stopped = (replica: ObservedReplica, nowMs: number): ObservedReplica => ({
  ...replica,
  phase: 'Exited',
  ready: false,
  readySinceMs: null,
  stopSentAtMs: replica.stopSentAtMs ?? nowMs,
})

const activeTarget = (step: Extract<Step, { kind: 'admit' }>, nowMs: number): ObservedTarget => ({
  replica: step.replica,
  role: step.role,
  revision: step.revision,
  address: step.address,
  state: 'Active',
  sinceMs: nowMs,
  inFlight: 0,
  open: 0,
  counts: { connections: 0, refused: 0, cut: 0 },
})
