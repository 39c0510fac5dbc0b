import type { FailureReport } from '../../model/failure.ts'
import type { ObservedReplica, ProbeResult } from '../../model/observed.ts'
import { type CauseInput, cause, logsCommand, SETTLED_MS } from './cause-input.ts'

/** Answers of a program, or of one in front of it, that is still getting ready: no proof before `health.startup` is over. */
const WARMING_UP = new Set([404, 408, 425, 429, 502, 503, 504])
/** Listening on other ports only: a debug or metrics port may open long before the one that counts. */
export const OTHER_PORT_MS = 10_000

type Failed = Extract<ProbeResult, { ok: false }>

/** Why a replica is not ready although its process runs, if that is proven: see the table of diagnose.ts. */
export function probeCause(input: CauseInput): FailureReport | null {
  const { replica } = input
  const probe = failedProbe(replica)
  if (replica.ready) return null
  if (replica.phase === 'Running')
    return cause('REPLICA_BECAME_UNREADY', input, `was ready and is not any more${said(probe)}`, '', detailOf(probe))
  return portCause(input, probe) ?? answerCause(input, probe) ?? lateCause(input, probe)
}

/** The last probe if it failed since the replica was started. */
function failedProbe({ lastProbe, startedAtMs }: ObservedReplica): Failed | null {
  return lastProbe === null || lastProbe.ok || lastProbe.atMs < startedAtMs ? null : lastProbe
}

/** Where its readiness is asked for. */
function wantedPort({ replica, role }: CauseInput): number | null {
  const own = typeof role.readiness === 'object' && role.readiness.kind !== 'run' ? role.readiness.port : null
  return own ?? replica.address?.port ?? null
}

function portCause(input: CauseInput, probe: Failed | null): FailureReport | null {
  const { replica, role } = input
  const port = wantedPort(input)
  const listens = replica.listens ?? []
  if (port === null || probe?.reason !== 'refused' || listens.length === 0 || listens.includes(port)) return null
  // On the port of the role: it ignores the PORT that it was given, and will not change its mind.
  const proofMs = typeof role.port === 'number' && listens.includes(role.port) ? SETTLED_MS : OTHER_PORT_MS
  if (ageMs(input) < Math.min(proofMs, startupMs(input))) return null
  return cause(
    'REPLICA_WRONG_PORT',
    input,
    `listens on ${listens.join(', ')}, was told ${port}`,
    'Let the program listen on the port in the environment variable PORT.',
    { listens: listens.join(', '), port },
  )
}

/** An answer that warming up does not explain. */
function answerCause(input: CauseInput, probe: Failed | null): FailureReport | null {
  if (probe === null || (probe.reason !== 'status' && probe.reason !== 'redirect')) return null
  const heldMs = input.nowMs - (probe.sinceMs ?? input.replica.startedAtMs)
  const proven = !WARMING_UP.has(probe.status ?? 0) && heldMs >= SETTLED_MS
  if (!proven && !isLate(input)) return null
  return cause(
    'REPLICA_PROBE_FAILED',
    input,
    `is not ready: ${probe.message}`,
    answerHint(input, probe),
    detailOf(probe),
  )
}

function answerHint(input: CauseInput, { reason, status }: Failed): string {
  if (reason === 'redirect')
    return 'Set health.readiness.path to one that answers 200 itself, or health.readiness.host to the name that the app expects.'
  if (status === 400 || status === 421)
    return 'The app may refuse the Host header: set health.readiness.host to a name that it knows.'
  if (status === 401 || status === 403)
    return 'Set health.readiness.path to one that needs no login, or let the app answer it without one.'
  if (status === 404) return 'Set health.readiness.path to a path that the app has.'
  return `See why with: ${logsCommand(input)}. While it warms up an app should answer 503.`
}

/** It had the whole of `health.startup`. */
function lateCause(input: CauseInput, probe: Failed | null): FailureReport | null {
  if (!isLate(input)) return null
  const { startupSeconds } = input.role
  const port = wantedPort(input)
  const hint = `See why with: ${logsCommand(input)}. If it only needs longer, raise health.startup.`
  const detail = { ...detailOf(probe), startupSeconds }
  if (probe?.reason === 'refused' && (input.replica.listens ?? []).length === 0)
    return cause(
      'REPLICA_NOT_LISTENING',
      input,
      `does not listen on ${port === null ? 'any port' : `port ${port}`} after ${startupSeconds} s`,
      hint,
      detail,
    )
  if (probe?.reason === 'exit')
    return cause(
      'REPLICA_PROBE_FAILED',
      input,
      `is not ready after ${startupSeconds} s: ${probe.message}`,
      hint,
      detail,
    )
  return cause('REPLICA_NEVER_READY', input, `did not become ready in ${startupSeconds} s${said(probe)}`, hint, detail)
}

const startupMs = ({ role }: CauseInput): number => role.startupSeconds * 1000
const ageMs = ({ replica, nowMs }: CauseInput): number => nowMs - replica.startedAtMs
const isLate = (input: CauseInput): boolean => ageMs(input) > startupMs(input)

const said = (probe: Failed | null): string => (probe === null ? '' : `: ${probe.message}`)
const detailOf = (probe: Failed | null) =>
  probe === null
    ? {}
    : { reason: probe.reason, probe: probe.message, ...(probe.status === null ? {} : { status: probe.status }) }
