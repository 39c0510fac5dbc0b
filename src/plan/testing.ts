import type { EngineTraits } from '../model/engine-traits.ts'
import type { ObservedReplica, ObservedRouter, ObservedTarget } from '../model/observed.ts'
import type { ReplicaSet, RolloutSpec } from '../model/rollout.ts'
import type { Step } from '../model/step.ts'
import type { CountedSet } from './sizes/counted-set.ts'

export function aSpec(more: Partial<RolloutSpec> = {}): RolloutSpec {
  return {
    role: 'web',
    strategy: 'RollingUpdate',
    replicas: 3,
    maxSurge: 1,
    maxUnavailable: 0,
    minReadySeconds: 0,
    replacement: 'TerminationStarted',
    drainSeconds: 0,
    terminationGracePeriodSeconds: 30,
    routed: true,
    ...more,
  }
}

/** A counted set in which all that is wanted runs and is available. */
export function aCountedSet(more: Partial<CountedSet> & Pick<CountedSet, 'revision' | 'size'>): CountedSet {
  return { total: more.size, available: more.size, terminating: 0, desiredReplicas: null, maxReplicas: null, ...more }
}

export function aSet(revision: number, size: number, more: Partial<ReplicaSet> = {}): ReplicaSet {
  return { role: 'web', revision, size, desiredReplicas: null, maxReplicas: null, ...more }
}

/** `web-1-2`: ready since 1000, at 127.0.0.1:20002. */
export function aReplica(id: string, more: Partial<ObservedReplica> = {}): ObservedReplica {
  const [role = 'web', revision, ordinal] = id.split('-')
  return {
    id,
    role,
    revision: Number(revision),
    host: null,
    phase: 'Running',
    ready: true,
    readySinceMs: 1000,
    startedAtMs: 500,
    stopSentAtMs: null,
    address: { host: '127.0.0.1', port: 20_000 + Number(ordinal) },
    pid: 1,
    restarts: 0,
    lastExit: null,
    lastProbe: null,
    listens: null,
    ...more,
  }
}

export function aTarget(id: string, more: Partial<ObservedTarget> = {}): ObservedTarget {
  const [role = 'web', revision, ordinal] = id.split('-')
  return {
    replica: id,
    role,
    revision: Number(revision),
    address: { host: '127.0.0.1', port: 20_000 + Number(ordinal) },
    state: 'Active',
    sinceMs: 1000,
    inFlight: 0,
    open: 0,
    counts: { connections: 0, refused: 0, cut: 0 },
    ...more,
  }
}

export const aRouter = (targets: readonly ObservedTarget[]): ObservedRouter => ({
  targets,
  reading: 'bytes',
  path: 'userland',
})

/** `start web-1-2`, for comparing plans as text. */
export const show = (step: Step): string => ('replica' in step ? `${step.kind} ${step.replica}` : step.kind)

/** An engine that can do everything. */
export const TRAITS: EngineTraits = {
  rollsItself: false,
  surges: true,
  replacement: 'TerminationStarted',
  ports: 'assigned',
  limits: ['cpu', 'memory'],
  remembers: true,
  accepts: [],
  refuses: [],
}
