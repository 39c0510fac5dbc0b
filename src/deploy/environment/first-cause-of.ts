import type { App } from '../../model/app.ts'
import type { Happening } from '../../model/event.ts'
import type { FailureReport } from '../../model/failure.ts'
import type { Observed } from '../../model/observed.ts'
import { diagnose, diagnosisDueMs } from '../../plan/diagnose.ts'

/** The first cause among the new replicas, oldest first; null: none of them has failed. */
export function firstCauseOf(revision: number, app: App, observed: Observed, nowMs: number): FailureReport | null {
  const fresh = observed.replicas
    .filter((replica) => replica.revision === revision)
    .sort((a, b) => a.startedAtMs - b.startedAtMs)
  for (const replica of fresh) {
    const role = app.roles.find(({ name }) => name === replica.role)
    const cause = role === undefined ? null : diagnose(replica, role, app.rollout, nowMs)
    if (cause !== null) return cause
  }
  return null
}

/** When time alone may prove something about a new replica; null: only an event can. */
export function nextCauseMs(revision: number, app: App, observed: Observed, nowMs: number): number | null {
  const due = observed.replicas.flatMap((replica) => {
    const role = app.roles.find(({ name }) => name === replica.role)
    const atMs = role === undefined || replica.revision !== revision ? null : diagnosisDueMs(replica, role, nowMs)
    return atMs === null ? [] : [atMs]
  })
  return due.length === 0 ? null : Math.min(...due)
}

/** The last log lines of new replicas that have exited: what a person wants to read next. */
export function lastWords(observed: Observed, revision: number): Happening[] {
  return observed.replicas
    .filter((replica) => replica.revision === revision && replica.lastExit !== null)
    .slice(0, 1)
    .flatMap(({ id, lastExit }) => (lastExit?.logTail ?? []).map((line) => ({ kind: 'log' as const, from: id, line })))
}
