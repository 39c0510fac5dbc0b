import type { IncomingMessage } from 'node:http'
import { DeployError, type Detail } from '../../model/failure.ts'
import { durationText, type RateLimit, rateLimit, rateLimitText, retryAfterMs } from './calls/retry-after.ts'

/** The longest that a registry may make us wait; who asks for more is not asked again. */
const LONGEST_WAIT_MS = 60_000

/** A failure that may go away by itself: tried again a few times, then thrown as `failure`. */
export class Transient extends Error {
  readonly failure: DeployError
  /** How long the registry asked us to wait, or null. */
  readonly retryAfterMs: number | null

  constructor(failure: DeployError, retryAfterMs: number | null = null) {
    super(failure.message, { cause: failure })
    this.name = 'Transient'
    this.failure = failure
    this.retryAfterMs = retryAfterMs
  }
}

/** Errors of a connection that may go away by themselves. */
const PASSING = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED', 'EAI_AGAIN', 'ECONNREFUSED', 'ESTALLED'])
/** Of those, what a wrong name or a registry that is not there gives: told at once, unless it has answered before. */
const ABSENT = new Set(['ECONNREFUSED', 'ETIMEDOUT'])

/** Thrown into a connection on which nothing, or next to nothing, moves. */
export const stalled = (): Error => Object.assign(new Error('stalled'), { code: 'ESTALLED' })

/** What a failed connection means. `seen`: the registry has answered before. */
export function connectionFailure(host: string, failed: unknown, seen: boolean): Transient | DeployError {
  const code = errorCode(failed)
  const failure = new DeployError(
    'REGISTRY_UNREACHABLE',
    `the registry ${host} cannot be reached: ${reason(code, failed)}`,
    {
      hint: hintFor(code, host),
      detail: { host, reason: code },
      // What a failed proxy says may hold the proxy's password.
      cause: code.startsWith('ERR_PROXY') ? undefined : failed,
    },
  )
  return PASSING.has(code) && (seen || !ABSENT.has(code)) ? new Transient(failure) : failure
}

/** What an answer that is no success means, and whether to ask again. `message`: what the registry said, cut and cleaned. */
export function answered(
  host: string,
  answer: Pick<IncomingMessage, 'statusCode' | 'headers'>,
  what: string,
  message: string,
  nowMs: number,
): Transient | DeployError {
  const status = answer.statusCode ?? 0
  const waitMs = retryAfterMs(answer.headers['retry-after'], nowMs)
  const limit = rateLimit(answer.headers)
  const told = [
    status === 429 ? rateLimitText(limit) : null,
    waitMs === null ? null : `asks us to come back in ${durationText(waitMs / 1000)}`,
  ].filter((part) => part !== null)
  const said = `${message === '' ? '' : `: ${message}`}${told.length === 0 ? '' : ` (${told.join('; ')})`}`
  const failure =
    status === 429 ? limitFailure(host, what, said, { ...limit, waitMs }) : answerFailure(host, status, what, said)
  const isOver = status === 429 && limit.remaining === 0 && waitMs === null
  const again = PASSING_STATUS.has(status) && (waitMs ?? 0) <= LONGEST_WAIT_MS && !isOver
  return again ? new Transient(failure, waitMs) : failure
}

/** Too many requests: with the limit, whom it counts, and when to come back, as far as the registry says. */
function limitFailure(
  host: string,
  what: string,
  said: string,
  limit: RateLimit & { readonly waitMs: number | null },
): DeployError {
  const known = Object.entries(limit).filter((entry): entry is [string, string | number] => entry[1] !== null)
  const detail: Detail = { host, status: 429, ...Object.fromEntries(known) }
  return new DeployError('REGISTRY_RATE_LIMITED', `the registry ${host} answered 429 when asked to ${what}${said}`, {
    hint: `Nothing was changed. Log in with "naru login ${publicName(host)}" for a limit of your own, name a mirror (docs/registries.md), or come back later.`,
    detail,
  })
}

/** What people call a registry. */
export const publicName = (host: string): string => (host === 'registry-1.docker.io' ? 'docker.io' : host)

/** Statuses that may be another one in a moment. 507 (no space) will not. */
const PASSING_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

function answerFailure(host: string, status: number, what: string, said: string): DeployError {
  const detail = { host, status }
  if (status === 401 || status === 403) {
    return new DeployError('REGISTRY_AUTH_FAILED', `the registry ${host} does not let us ${what} (${status})${said}`, {
      hint: `Log in with "naru login ${publicName(host)}" as a user who may do this; a repository that does not exist may be answered the same way.`,
      detail,
    })
  }
  const busy = status >= 500
  return new DeployError(
    busy && status !== 507 ? 'REGISTRY_UNREACHABLE' : 'REGISTRY_REFUSED',
    `the registry ${host} answered ${status} when asked to ${what}${said}`,
    {
      hint: busy
        ? `Nothing was changed. Run the same command again later, or ask who runs ${host}.`
        : 'Check the name of the image, and what the registry says above. Some registries (ECR, Harbor) want the repository or project to be made first.',
      detail,
    },
  )
}

/** A registry that breaks the protocol, or leads where we do not go. */
export const refused = (host: string, message: string, cause?: unknown): DeployError =>
  new DeployError('REGISTRY_REFUSED', `the registry ${host} ${message}`, {
    hint: `Ask who runs ${host}; nothing was changed here.`,
    detail: { host },
    cause,
  })

function errorCode(failed: unknown): string {
  const { code, errors } = (failed ?? {}) as { code?: unknown; errors?: readonly { code?: unknown }[] }
  if (typeof code === 'string') return code
  const inner = errors?.[0]?.code
  return typeof inner === 'string' ? inner : 'unknown'
}

function reason(code: string, failed: unknown): string {
  if (code === 'ECONNREFUSED') return 'nobody listens there'
  if (code === 'ENOTFOUND') return 'its name is not known'
  if (code === 'ESTALLED') return 'it stopped answering'
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'the connection broke'
  if (code.startsWith('ERR_PROXY')) return 'the proxy does not lead there'
  return failed instanceof Error && failed.message !== '' ? failed.message : code
}

function hintFor(code: string, host: string): string {
  if (code === 'EPROTO')
    return `${host} does not speak TLS. Where plain HTTP is meant, say so in registries.json: {"${host}": {"plainHttp": true}}.`
  if (code.startsWith('ERR_PROXY')) return 'Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY where the server of Naru runs.'
  if (/ALTNAME/.test(code)) return 'Its certificate is for another name: check the host, or ask who runs it.'
  if (/CERT|SIGNATURE|ERR_TLS/.test(code))
    return `Its certificate is not trusted here: put its authority into ~/.config/containers/certs.d/${host}/ca.crt, or name it in registries.json: {"${host}": {"ca": "FILE"}}.`
  return 'Check the host name and the network, then run the same command again: what was sent already is not sent again.'
}
