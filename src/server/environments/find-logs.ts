import type { LoggedReplica, LogOptions } from '../../engines/engine.ts'
import { nearest } from '../../lib/nearest.ts'
import { DeployError } from '../../model/failure.ts'

type Asked = Pick<LogOptions, 'role' | 'replica' | 'revision' | 'follow'>

/** Throws LOG_NOT_FOUND where no log can be meant. `follow`: one of a revision may still come. */
export function checkLogs(asked: Asked, logged: readonly LoggedReplica[]): void {
  const { role, replica, revision, follow } = asked
  const fits = (one: LoggedReplica) =>
    (role === null || one.role === role) &&
    (replica === null || one.replica === replica) &&
    (follow || revision === null || one.revision === revision)
  if ((role === null && replica === null && revision === null) || logged.some(fits)) return
  if (follow && replica === null && (role === null || logged.length === 0)) return
  const said = Object.entries({ role, replica, revision }).flatMap(([name, value]) =>
    value === null ? [] : [`${name} ${value}`],
  )
  throw new DeployError('LOG_NOT_FOUND', `there is no log of ${said.join(', ')}`, { hint: hintFor(asked, logged) })
}

function hintFor({ role, replica }: Asked, logged: readonly LoggedReplica[]): string {
  const names = (of: (one: LoggedReplica) => string | null) => [...new Set(logged.flatMap((one) => of(one) ?? []))]
  const roles = names((one) => one.role)
  const replicas = names((one) => one.replica)
  const near =
    (role !== null && !roles.includes(role) ? nearest(role, roles) : undefined) ??
    (replica !== null && !replicas.includes(replica) ? nearest(replica, replicas) : undefined)
  if (near !== undefined) return `Did you mean ${near}?`
  if (logged.length === 0) return 'Nothing has written a log here yet. See what runs with: naru status.'
  const revisions = names((one) => `r${one.revision}`)
  return `There are logs of ${roles.join(', ')} and of ${revisions.slice(-10).join(', ')}. See what runs with: naru status.`
}
