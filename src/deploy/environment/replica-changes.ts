import type { Happening } from '../../model/event.ts'
import type { Observed, ObservedReplica } from '../../model/observed.ts'

/** A stop that takes longer is worth a line: somebody waits for it. */
const SLOW_STOP_MS = 2000
/** The clock of whoever killed it, and its own, may differ by a moment. */
const TOLERANCE_MS = 200

type Change = Extract<Happening, { kind: 'replica' }>

/** What happened to replicas between two snapshots, for people: became ready, exited with code 1, still runs. `graceOf`: seconds. */
export function replicaChanges(
  before: Observed,
  after: Observed,
  graceOf: (replica: ObservedReplica) => number,
): Change[] {
  const earlier = new Map(before.replicas.map((replica) => [replica.id, replica]))
  return after.replicas.flatMap((now) => {
    const was = earlier.get(now.id)
    const grace = graceOf(now)
    const isSlow = before.atMs < slowFromMs(now) && slowFromMs(now) <= after.atMs
    const change = (text: string): Change => ({
      kind: 'replica',
      replica: now.id,
      role: now.role,
      revision: now.revision,
      change: text,
      cut: hasEnded(was, now) ? (now.lastExit?.cut ?? 0) : 0,
      ...(hasEnded(was, now) && wasKilled(now, grace) ? { overstayedSeconds: grace } : {}),
    })
    const slow = isSlow && grace * 1000 > SLOW_STOP_MS ? [slowText(grace)] : []
    return [...changesOf(was, now, grace), ...slow].map(change)
  })
}

/** When the next stop that is under way will be a slow one; null: none is. */
export function nextSlowStopMs({ replicas, atMs }: Observed): number | null {
  const times = replicas.map(slowFromMs).filter((time) => time > atMs && Number.isFinite(time))
  return times.length === 0 ? null : Math.min(...times)
}

const slowFromMs = ({ phase, stopSentAtMs }: ObservedReplica): number =>
  phase === 'Terminating' && stopSentAtMs !== null ? stopSentAtMs + SLOW_STOP_MS : Number.POSITIVE_INFINITY

const slowText = (grace: number): string =>
  `still runs ${SLOW_STOP_MS / 1000} s after the stop signal: it is killed after ${grace} s`

const hasEnded = (was: ObservedReplica | undefined, now: ObservedReplica): boolean =>
  now.phase === 'Exited' && was?.phase !== 'Exited'

function changesOf(was: ObservedReplica | undefined, now: ObservedReplica, grace: number): string[] {
  const changes: string[] = []
  const crashed = now.restarts > (was?.restarts ?? 0)
  if (crashed || hasEnded(was, now)) changes.push(exitText(now, grace))
  if (now.ready && !was?.ready) changes.push('ready')
  if (was?.ready && !now.ready && now.phase === 'Running') changes.push('no longer ready')
  return changes
}

/** Whether its engine ended it, because it was still there when its grace period was over. */
function wasKilled({ lastExit, stopSentAtMs }: ObservedReplica, grace: number): boolean {
  if (lastExit?.signal !== 'SIGKILL' || stopSentAtMs === null) return false
  return lastExit.atMs >= stopSentAtMs + grace * 1000 - TOLERANCE_MS
}

function exitText(replica: ObservedReplica, grace: number): string {
  const { lastExit } = replica
  if (lastExit === null || !lastExit.known) return 'exited, the code is unknown'
  if (lastExit.outOfMemory) return 'killed: out of memory'
  if (wasKilled(replica, grace)) return `did not end within ${grace} s of the stop signal: killed`
  if (lastExit.signal !== null) return `exited by ${lastExit.signal}`
  return `exited with code ${lastExit.code}`
}
