import type { StatusBody } from '../../api/responses.ts'
import { columns, joinFields } from './columns.ts'
import { endText } from './end-text.ts'
import { type Paint, PLAIN } from './paint.ts'
import { commitText, durationText, shortDigest } from './quantities.ts'

/** What `naru status` shows. */
export function statusText(status: StatusBody, nowMs: number, width: number, paint: Paint = PLAIN): string[] {
  return [
    ...joinFields(headFields(status, paint), width),
    ...status.routes.map(({ role, url }) => `${url} → ${role}`),
    ...status.preparing.map(
      ({ station, note }) => `under way: ${[station ?? 'beginning', note].filter(Boolean).join(' ')}`,
    ),
    ...rolloutLines(status),
    ...section(roleTable(status)),
    ...section(replicaTable(status, nowMs)),
    ...section(problemLines(status, paint)),
  ]
}

function headFields(status: StatusBody, paint: Paint): (string | null)[] {
  const { revision, digest, engine, router } = status
  return [
    paint.strong(`${status.app} (${status.environment})  ${revision === null ? 'nothing runs' : `r${revision}`}`),
    commitText(status.commit, status.subject),
    digest === null ? null : shortDigest(digest),
    `engine ${engine}, router ${router}`,
  ]
}

function rolloutLines(status: StatusBody): string[] {
  const { rollout, paused, unattended, lastRollout } = status
  if (rollout !== null) {
    const from = rollout.from === null ? '' : `r${rollout.from} `
    const lines = [
      `rollout r-${rollout.id}: ${rollout.kind} ${from}→ r${rollout.to}, ${rollout.phase}, by ${rollout.startedBy}`,
    ]
    if (unattended)
      return [...lines, 'unfinished: nobody carries it on; go on with naru resume, go back with naru abort']
    return paused ? [...lines, 'paused: go on with naru resume, go back with naru abort'] : lines
  }
  if (lastRollout === null) return []
  const { failure, id } = lastRollout
  const ended = `last rollout r-${id}: ${endText(lastRollout)}`
  const told = failure === null ? [ended] : [`${ended}, failed: ${failure.code}: ${failure.message}`]
  return [...told, ...restLines(status)]
}

/** What is neither moving nor as it should be: how to go on from there. */
function restLines({ revision, paused, back, replicas }: StatusBody): string[] {
  const to = back === null ? 'go back with naru rollback N' : `go back with naru rollback (to r${back})`
  if (revision === null) return back === null ? [] : [`stopped: start r${back} again with naru rollback`]
  if (!paused) return []
  const serving = [...new Set(replicas.filter(({ target }) => target === 'Active').map((replica) => replica.revision))]
  const serves = serving.length === 0 ? 'nothing' : serving.map((each) => `r${each}`).join(' and ')
  return [`held on the way to r${revision}, ${serves} serves: go on with naru resume, ${to}`]
}

function roleTable({ roles }: StatusBody): string[] {
  if (roles.length === 0) return []
  const rows = roles.map((role) => [
    role.role,
    ...[role.replicas, role.updated, role.ready, role.old, role.terminating].map(String),
  ])
  return columns(['role', 'wanted', 'new', 'ready', 'old', 'stopping'], rows)
}

function replicaTable({ replicas }: StatusBody, nowMs: number): string[] {
  if (replicas.length === 0) return []
  const rows = replicas.map((replica) => [
    replica.id,
    replica.phase,
    replica.ready ? 'yes' : 'no',
    replica.target === 'none' ? '–' : replica.target,
    String(replica.inFlight),
    String(replica.restarts),
    replica.address === null ? '–' : `${replica.address.host}:${replica.address.port}`,
    durationText(Math.max(0, nowMs - replica.startedAtMs)),
  ])
  return columns(['replica', 'phase', 'ready', 'traffic', 'in flight', 'restarts', 'address', 'age'], rows)
}

const problemLines = ({ replicas, notes }: StatusBody, paint: Paint): string[] => [
  ...replicas.flatMap(({ id, problem }) =>
    problem === null ? [] : [paint.bad(problem.startsWith(`${id} `) ? problem : `${id}: ${problem}`)],
  ),
  ...notes.map((note) => paint.dim(`note:  ${note}`)),
]

/** With an empty line in front, unless there is nothing. */
const section = (lines: readonly string[]): readonly string[] => (lines.length === 0 ? [] : ['', ...lines])
