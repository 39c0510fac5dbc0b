import type { Exit } from '../../../../model/observed.ts'
import type { Release } from '../../../../model/release.ts'
import type { ProcessIdentity } from '../../../../os/process-identity.ts'
import type { Launch, ReplicaPlace } from '../../launch.ts'

/** What is to run: all of it but the values of secrets. */
export interface ReplicaSpec {
  readonly place: ReplicaPlace
  readonly launch: Launch
  /** Kept for the server's sake (checks, secrets): the keeper does not look inside. */
  readonly release: Release
}

/**
 * starting: written down before the program is started. running: it has a process. backoff: it exited and starts again at
 * `restartAtMs`. needs-secrets: as backoff, but the keeper that knew the secrets is gone. stopping: the stop signal is on its
 * way or sent. exited: gone for good, waits for remove.
 */
export type ReplicaState = 'starting' | 'running' | 'backoff' | 'needs-secrets' | 'stopping' | 'exited'

/** What the keeper has written down of one replica. Times are wall milliseconds. */
export interface ReplicaRecord {
  readonly spec: ReplicaSpec
  readonly state: ReplicaState
  /** In the environment of the started process: finds it when the keeper was killed before it could write the identity down. */
  readonly nonce: string
  readonly process: ProcessIdentity | null
  readonly startedAtMs: number
  /** Start of the present process, and where its log begins. */
  readonly processStartedAtMs: number
  readonly logOffset: number
  readonly restarts: number
  /** Starts in a row that did not last; back-off grows with it. */
  readonly failures: number
  readonly restartAtMs: number | null
  readonly stopSentAtMs: number | null
  readonly signalled: boolean
  readonly killAtMs: number | null
  readonly cut: number
  readonly lastExit: Exit | null
  readonly everReady: boolean
  readonly readySinceMs: number | null
  /** Boot in which the `before` lists were run: mounts do not outlive it. */
  readonly preparedBoot: string | null
  /** OOM kills of its cgroup at its start. */
  readonly oomKills: number
}

/** A replica that was asked for and of which nothing is done yet. */
export const newRecord = (spec: ReplicaSpec, now: number): ReplicaRecord => ({
  spec,
  state: 'starting',
  nonce: '',
  process: null,
  startedAtMs: now,
  processStartedAtMs: now,
  logOffset: 0,
  restarts: 0,
  failures: 0,
  restartAtMs: null,
  stopSentAtMs: null,
  signalled: false,
  killAtMs: null,
  cut: 0,
  lastExit: null,
  everReady: false,
  readySinceMs: null,
  preparedBoot: null,
  oomKills: 0,
})

const FIRST_BACKOFF_MS = 100
const MOST_BACKOFF_MS = 30_000
/** After running this long a crash counts as the first again. */
const SETTLED_MS = 60_000

/** What becomes of a replica whose process is gone: 100 ms to the next start, doubling up to 30 s, from the beginning after 60 s of running. */
export function afterExit(record: ReplicaRecord, exit: Exit, canStart: boolean): ReplicaRecord {
  const gone = { ...record, process: null, lastExit: exit, readySinceMs: null, nonce: '' }
  if (record.state === 'stopping') return { ...gone, state: 'exited', killAtMs: null }
  const failures = exit.atMs - record.processStartedAtMs >= SETTLED_MS ? 1 : record.failures + 1
  const delay = Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 1), MOST_BACKOFF_MS)
  return {
    ...gone,
    state: canStart ? 'backoff' : 'needs-secrets',
    failures,
    restarts: record.restarts + 1,
    restartAtMs: exit.atMs + delay,
  }
}

/** What a keeper makes of a record that has no process: its predecessor was killed between two starts. */
export function stateWithoutProcess(state: ReplicaState, canStart: boolean): ReplicaState {
  if (state === 'stopping' || state === 'exited') return 'exited'
  return canStart ? 'backoff' : 'needs-secrets'
}
