import type { Clock } from '../../lib/clock.ts'
import { DeployError } from '../../model/failure.ts'
import type { Connection } from './connection.ts'
import type { Credentials, CredentialsOf } from './credentials.ts'
import { answered, publicName, refused } from './failures.ts'
import { type Challenge, parseChallenge } from './parse-challenge.ts'
import { readAll } from './read-answer.ts'

/** Tokens are taken for at least this long (token specification of distribution: 60 s where nothing is said). */
const SHORTEST_TOKEN_MS = 60_000

/**
 * What is put into the Authorization header: nothing until the registry asks, then Basic, or a token for each scope.
 * Credentials go to the registry and to the token service of its own site only (A9).
 */
export class Authorization {
  readonly #connection: Connection
  readonly #credentialsOf: CredentialsOf
  readonly #clock: Clock
  readonly #trustedService: string | null
  readonly #tokens = new Map<string, { readonly token: string; readonly untilMs: number }>()
  #challenge: Challenge | null = null
  #credentials: Promise<Credentials | null> | null = null

  /** `trustedService`: a host that the user named, which may see the login like the registry's own site. */
  constructor(connection: Connection, credentialsOf: CredentialsOf, clock: Clock, trustedService: string | null) {
    this.#connection = connection
    this.#credentialsOf = credentialsOf
    this.#clock = clock
    this.#trustedService = trustedService
  }

  /** The header for a request with these scopes (`repository:NAME:pull`), or null. */
  async header(scopes: readonly string[], signal: AbortSignal): Promise<string | null> {
    if (this.#challenge === null) return null
    if (this.#challenge.kind === 'basic') return basic(await this.#login(signal))
    const key = scopes.join(' ')
    const known = this.#tokens.get(key)
    if (known !== undefined && known.untilMs > this.#clock.monotonic()) return `Bearer ${known.token}`
    const { token, untilMs } = await this.#fetchToken(this.#challenge, scopes, signal)
    this.#tokens.set(key, { token, untilMs })
    return `Bearer ${token}`
  }

  /** Takes in a 401. Answers whether it makes sense to ask again. */
  async learn(wwwAuthenticate: string | undefined, scopes: readonly string[], signal: AbortSignal): Promise<boolean> {
    const challenge = parseChallenge(wwwAuthenticate)
    if (challenge === null) return false
    this.#challenge = challenge
    this.#tokens.delete(scopes.join(' '))
    return challenge.kind === 'bearer' || (await this.#login(signal)) !== null
  }

  #login(signal: AbortSignal): Promise<Credentials | null> {
    this.#credentials ??= this.#credentialsOf(this.#connection.host, signal)
    return this.#credentials
  }

  async #fetchToken(
    { realm, service }: Challenge & { kind: 'bearer' },
    scopes: readonly string[],
    signal: AbortSignal,
  ): Promise<{ token: string; untilMs: number }> {
    const url = this.#realmUrl(realm)
    const isTrusted = url.host === this.#trustedService || isSameSite(this.#connection.origin.hostname, url.hostname)
    const login = isTrusted ? await this.#login(signal) : null
    const params = new URLSearchParams(scopes.map((scope): [string, string] => ['scope', scope]))
    if (service !== null) params.set('service', service)
    const startMs = this.#clock.monotonic()
    const answer = await this.#connection.send({ ...tokenRequest(url, params, login), signal })
    const status = answer.statusCode ?? 0
    const body = await readAll(answer, 1_048_576)
    if (status !== 200) {
      if (status === 401 || status === 403) throw this.#notLoggedIn(url, login, isTrusted)
      throw answered(url.host, answer, `give a token for ${this.#connection.host}`, '', this.#clock.now())
    }
    const { token, lifetimeMs } = parseToken(this.#connection.host, body)
    return { token, untilMs: startMs + Math.max(lifetimeMs, SHORTEST_TOKEN_MS) * 0.9 }
  }

  /** The token service's address: by TLS, or on the very host of a registry that is spoken to in plain. */
  #realmUrl(realm: string): URL {
    const { origin, host } = this.#connection
    const url = URL.canParse(realm) ? new URL(realm) : null
    const plain = url?.protocol === 'http:' && origin.protocol === 'http:' && url.hostname === origin.hostname
    if (url !== null && (url.protocol === 'https:' || plain) && url.username === '' && url.password === '') return url
    throw refused(host, `names a token service that is not safe: ${JSON.stringify(realm.slice(0, 100))}`)
  }

  #notLoggedIn(url: URL, login: Credentials | null, isTrusted: boolean): DeployError {
    const { host } = this.#connection
    const why = login === null ? 'without a login' : 'with the login that is stored for it'
    return new DeployError('REGISTRY_AUTH_FAILED', `${url.host} gives no token for ${host} ${why}`, {
      hint: isTrusted
        ? `Log in with "naru login ${publicName(host)}" as a user who may do this.`
        : `${url.host} is not of the site of ${host}, so no login was sent there. If it is right, say so in registries.json: {"${publicName(host)}": {"tokenService": "${url.host}"}}.`,
      detail: { host, service: url.host },
    })
  }
}

/**
 * Whether a token service is of the registry's own site, so that it may see the login: the same host, one above or below
 * it, or Docker Hub's. Neighbours below a common name are not: they may belong to anybody.
 */
export function isSameSite(registry: string, service: string): boolean {
  if (registry === service) return true
  if (registry === 'registry-1.docker.io' && service === 'auth.docker.io') return true
  const above = registry.endsWith(`.${service}`) && service.split('.').length >= 2
  return above || service.endsWith(`.${registry}`)
}

function tokenRequest(url: URL, params: URLSearchParams, login: Credentials | null) {
  if (login?.kind === 'identity') {
    const scope = params.getAll('scope').join(' ')
    params.set('scope', scope)
    params.set('grant_type', 'refresh_token')
    params.set('client_id', 'naru')
    params.set('refresh_token', login.token)
    const body = Buffer.from(params.toString())
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': body.length }
    return { method: 'POST', url, headers, body }
  }
  const asked = new URL(url)
  for (const [name, value] of params) asked.searchParams.append(name, value)
  const authorization = basic(login)
  return { method: 'GET', url: asked, headers: authorization === null ? {} : { Authorization: authorization } }
}

function parseToken(host: string, body: Uint8Array): { token: string; lifetimeMs: number } {
  try {
    const answer = JSON.parse(Buffer.from(body).toString('utf8')) as Record<string, unknown>
    const token = answer.token ?? answer.access_token
    const seconds = Number(answer.expires_in ?? 0)
    if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) {
      return { token, lifetimeMs: Number.isFinite(seconds) ? seconds * 1000 : 0 }
    }
  } catch {
    // Said below, without the text: it may hold a token.
  }
  throw refused(host, 'names a token service that answers no token')
}

function basic(login: Credentials | null): string | null {
  if (login === null) return null
  const pair = login.kind === 'password' ? `${login.username}:${login.password}` : `<token>:${login.token}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}
