import type { Clock } from '../../../lib/clock.ts'
import { DeployError } from '../../../model/failure.ts'
import type { Connection } from './connection.ts'
import type { Credentials, CredentialsOf } from '../logins/credentials.ts'
import { answered, publicName, refused } from '../failures.ts'
import { type Challenge, parseChallenge } from './parse-challenge.ts'
import { readBody } from './read-answer.ts'

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
  /** By scopes; who was aborted takes nobody else with it. */
  readonly #pending = new Map<
    string,
    { readonly signal: AbortSignal; readonly token: Promise<{ token: string; untilMs: number }> }
  >()
  #challenge: Challenge | null = null
  /** By repository: some logins are for one path only. */
  readonly #logins = new Map<string, Promise<Credentials | null>>()
  #wasShown = false

  /** `trustedService`: a host that the user named, which may see the login like the registry's own site. */
  constructor(connection: Connection, credentialsOf: CredentialsOf, clock: Clock, trustedService: string | null) {
    this.#connection = connection
    this.#credentialsOf = credentialsOf
    this.#clock = clock
    this.#trustedService = trustedService
  }

  /** Whether the registry wanted to know who asks, and whether the login was shown then. */
  get state(): { readonly isAsked: boolean; readonly wasShown: boolean } {
    return { isAsked: this.#challenge !== null, wasShown: this.#wasShown }
  }

  /** The header for a request with these scopes (`repository:NAME:pull`), or null. */
  async header(scopes: readonly string[], signal: AbortSignal): Promise<string | null> {
    if (this.#challenge === null) return null
    if (this.#challenge.kind === 'basic') return this.#basic(await this.#login(scopes, signal))
    const key = scopes.join(' ')
    const known = this.#tokens.get(key)
    if (known !== undefined && known.untilMs > this.#clock.monotonic()) return `Bearer ${known.token}`
    const { token, untilMs } = await this.#sharedToken(this.#challenge, scopes, signal)
    this.#tokens.set(key, { token, untilMs })
    return `Bearer ${token}`
  }

  /** One request for all blobs of a copy that need the same token at the same time. */
  #sharedToken(challenge: Challenge & { kind: 'bearer' }, scopes: readonly string[], signal: AbortSignal) {
    const key = scopes.join(' ')
    const pending = this.#pending.get(key)
    if (pending?.signal === signal) return pending.token
    const token = this.#fetchToken(challenge, scopes, signal).finally(() => {
      if (this.#pending.get(key)?.token === token) this.#pending.delete(key)
    })
    this.#pending.set(key, { signal, token })
    return token
  }

  /**
   * Takes in a 401 to a request with the header `refused`. Answers whether it makes sense to ask again: a login that was
   * refused is looked up anew, for those of helpers are good for some hours only.
   */
  async learn(
    wwwAuthenticate: string | undefined,
    scopes: readonly string[],
    refused: string | null,
    signal: AbortSignal,
  ): Promise<boolean> {
    const challenge = parseChallenge(wwwAuthenticate)
    if (challenge === null) return false
    this.#challenge = challenge
    if (challenge.kind === 'bearer') {
      const key = scopes.join(' ')
      if (refused === `Bearer ${this.#tokens.get(key)?.token}`) this.#tokens.delete(key)
      return true
    }
    const login = await this.#login(scopes, signal)
    if (refused === null) return login !== null
    return basic(login) !== refused || (await this.#loginAnew(scopes, signal)) !== null
  }

  #login(scopes: readonly string[], signal: AbortSignal): Promise<Credentials | null> {
    const repository = repositoryOf(scopes)
    const known = this.#logins.get(repository ?? '')
    if (known !== undefined) return known
    const found = this.#credentialsOf(this.#connection.host, repository, signal)
    this.#logins.set(repository ?? '', found)
    return found
  }

  /** The login as it is now; null: the same as before, or none. */
  async #loginAnew(scopes: readonly string[], signal: AbortSignal): Promise<Credentials | null> {
    const before = basic(await this.#login(scopes, signal))
    this.#logins.delete(repositoryOf(scopes) ?? '')
    const now = await this.#login(scopes, signal)
    return basic(now) === before ? null : now
  }

  #basic(login: Credentials | null): string | null {
    if (login !== null) this.#wasShown = true
    return basic(login)
  }

  async #fetchToken(
    { realm, service }: Challenge & { kind: 'bearer' },
    scopes: readonly string[],
    signal: AbortSignal,
  ): Promise<{ token: string; untilMs: number }> {
    const url = this.#realmUrl(realm)
    const isTrusted = url.host === this.#trustedService || isSameSite(this.#connection.origin.hostname, url.hostname)
    const params = new URLSearchParams(scopes.map((scope): [string, string] => ['scope', scope]))
    if (service !== null) params.set('service', service)
    let login = isTrusted ? await this.#login(scopes, signal) : null
    for (;;) {
      const startMs = this.#clock.monotonic()
      if (login !== null) this.#wasShown = true
      const answer = await this.#connection.send({ ...tokenRequest(url, params, login), signal })
      const body = await readBody(url.host, answer, { maxBytes: 1_048_576, limitMs: this.#connection.bodyLimitMs })
      if (answer.statusCode === 200) {
        const { token, lifetimeMs } = parseToken(this.#connection.host, body)
        return { token, untilMs: startMs + Math.max(lifetimeMs, SHORTEST_TOKEN_MS) * 0.9 }
      }
      if (answer.statusCode !== 401 && answer.statusCode !== 403) {
        throw answered(url.host, answer, `give a token for ${this.#connection.host}`, '', this.#clock.now())
      }
      const anew = login === null ? null : await this.#loginAnew(scopes, signal)
      if (anew === null) throw this.#notLoggedIn(url, login, isTrusted)
      login = anew
    }
  }

  /** The token service's address: by TLS, or on the very host of a registry that is spoken to in plain. */
  #realmUrl(realm: string): URL {
    const { origin, host } = this.#connection
    const url = URL.canParse(realm) ? new URL(realm) : null
    const plain = url?.protocol === 'http:' && origin.protocol === 'http:' && url.hostname === origin.hostname
    if (url !== null && (url.protocol === 'https:' || plain) && url.username === '' && url.password === '') return url
    throw refused(host, `names a token service that is not safe: ${JSON.stringify(realm.slice(0, 100))}`)
  }

  /** The token service is of another site, and lets anybody in: the login was never tried. */
  notShown(): DeployError {
    const realm = this.#challenge?.kind === 'bearer' ? this.#challenge.realm : ''
    return this.#notLoggedIn(this.#realmUrl(realm), null, false)
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

/** `team/shop` of `repository:team/shop:pull`. */
const repositoryOf = (scopes: readonly string[]): string | null =>
  /^repository:([^:]+):/.exec(scopes[0] ?? '')?.[1] ?? null

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
