import type { ObservedReplica, ProbeResult } from '../../model/observed.ts'
import type { ReplicaRecord } from './keeper/replica/replica-record.ts'

/** What the checks of one process found so far. */
export interface Readiness {
  readonly ready: boolean
  readonly readySinceMs: number | null
  readonly lastProbe: ProbeResult | null
  readonly listens: readonly number[] | null
}

export const NOT_CHECKED: Readiness = { ready: false, readySinceMs: null, lastProbe: null, listens: null }

/** A replica as the engine's port wants it, from what the keeper has written down and what the checks found. */
export function observedReplica(record: ReplicaRecord, readiness: Readiness): ObservedReplica {
  const { place } = record.spec
  const isRunning = record.state === 'running'
  return {
    id: place.replica,
    role: place.role,
    revision: place.revision,
    host: null,
    phase: phaseOf(record, readiness),
    ready: isRunning && readiness.ready,
    readySinceMs: isRunning && readiness.ready ? readiness.readySinceMs : null,
    startedAtMs: record.startedAtMs,
    stopSentAtMs: record.stopSentAtMs,
    address: place.port === null ? null : { host: '127.0.0.1', port: place.port },
    pid: record.process?.pid ?? null,
    restarts: record.restarts,
    lastExit: record.lastExit,
    lastProbe: readiness.lastProbe,
    listens: readiness.listens,
  }
}

/** Readiness is known here before the keeper has written it down. */
function phaseOf({ state, everReady }: ReplicaRecord, { ready }: Readiness): ObservedReplica['phase'] {
  if (state === 'stopping') return 'Terminating'
  if (state === 'exited') return 'Exited'
  return state === 'running' && (everReady || ready) ? 'Running' : 'Pending'
}
