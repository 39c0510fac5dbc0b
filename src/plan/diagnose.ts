import type { Role, RolloutSettings } from '../model/app.ts'
import type { FailureReport } from '../model/failure.ts'
import type { ObservedReplica } from '../model/observed.ts'
import { type CauseInput, SETTLED_MS } from './causes/cause-input.ts'
import { exitCause } from './causes/exit-cause.ts'
import { OTHER_PORT_MS, probeCause } from './causes/probe-cause.ts'

/**
 * Why a new replica fails its rollout; null: nothing is proven (yet). For replicas of the revision that is rolled out, while
 * the rollout is not complete. The first row that holds is the cause (design.md section 5):
 *
 * | what is seen | proof | code |
 * |---|---|---|
 * | the program is missing, of another architecture, not executable | at once: it cannot get better | PROGRAM_NOT_FOUND, WRONG_ARCHITECTURE, START_FAILED |
 * | the kernel killed it at its memory limit | at once | OUT_OF_MEMORY |
 * | exits before it was ever ready | the exit after `startRetries` restarts | CRASHED |
 * | exits, and its engine does not start it again | at once, unless its parent was gone and how it ended is unknown | CRASHED |
 * | was ready, has exited, is not ready | at once (F8) | CRASHED |
 * | was ready, answers otherwise now | at once: the engine's threshold is behind it (F7) | BECAME_UNREADY |
 * | refuses connections, listens on the role's port and not on the assigned one | 500 ms after the start | WRONG_PORT |
 * | refuses connections, listens on other ports only | 10 s after the start, at most `health.startup` | WRONG_PORT |
 * | redirects, or answers a status such as 400, 401, 403, 421, 500 | the same answer for 500 ms | PROBE_FAILED |
 * | answers 404, 408, 425, 429, 502, 503, 504: may be warming up | `health.startup` is over | PROBE_FAILED |
 * | its readiness command fails | `health.startup` is over | PROBE_FAILED |
 * | listens nowhere | `health.startup` is over | NOT_LISTENING |
 * | anything else | `health.startup` is over | NEVER_READY |
 */
export function diagnose(
  replica: ObservedReplica,
  role: Role,
  { startRetries }: Pick<RolloutSettings, 'startRetries'>,
  nowMs: number,
): FailureReport | null {
  if (replica.stopSentAtMs !== null || replica.phase === 'Terminating') return null
  const input: CauseInput = { replica, role, startRetries, nowMs }
  if (replica.phase !== 'Running') return exitCause(input) ?? probeCause(input)
  return exitExplains(replica) ? exitCause(input) : (probeCause(input) ?? exitCause(input))
}

/** Whether the last exit is why it is not ready now: no probe was answered since. */
function exitExplains({ lastProbe, lastExit }: ObservedReplica): boolean {
  if (lastExit === null) return false
  return lastProbe === null || lastProbe.ok || lastProbe.reason === 'refused' || lastProbe.atMs <= lastExit.atMs
}

/** When time alone may prove something about a replica that is not ready; null: only an event can. */
export function diagnosisDueMs(replica: ObservedReplica, role: Role, nowMs: number): number | null {
  if (replica.ready || replica.stopSentAtMs !== null || replica.phase !== 'Pending') return null
  const { startedAtMs, lastProbe } = replica
  const heldSinceMs = lastProbe === null || lastProbe.ok ? startedAtMs : (lastProbe.sinceMs ?? startedAtMs)
  const times = [heldSinceMs + SETTLED_MS, startedAtMs + SETTLED_MS, startedAtMs + OTHER_PORT_MS]
  const due = [...times, startedAtMs + role.startupSeconds * 1000 + 1].filter((time) => time > nowMs)
  return due.length === 0 ? null : Math.min(...due)
}
