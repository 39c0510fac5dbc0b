import type { IncomingMessage, ServerResponse } from 'node:http'
import { EVERY_ACTION, isAllowed, type RegistryRight } from '../../model/registry-right.ts'
import { RegistryError, registryError } from '../server/registry-error.ts'
import { signToken } from './access-token.ts'
import type { Access } from './access-gate.ts'
import type { Account } from './account.ts'
import { addressOf, basicOf } from './caller.ts'
import { formatScope, parseScopes, type Scope } from './scope.ts'

/** How long a token is good (reference/reliability-security.md A13). Clients get the next one by themselves. */
export const TOKEN_SECONDS = 300

const MOST_FORM_BYTES = 16 * 1024
const FORM_MS = 10_000

/** What a client asks for. */
interface Asked {
  readonly login: { readonly name: string; readonly secret: string } | null
  readonly service: string | null
  readonly scopes: readonly Scope[]
}

/** Answers `/token`: GET with Basic (distribution, "Token Authentication Specification") or POST of a form ("OAuth2 Token Authentication"). Never throws. */
export async function answerToken(access: Access, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    send(response, 200, await tokenFor(access, request))
  } catch (failed) {
    const known = registryError(failed)
    if (known === null) process.stderr.write(`${request.method} /token: ${String((failed as Error).stack)}\n`)
    const { status, headers, body } = known ?? new RegistryError('UNKNOWN', 'this is a bug of the registry')
    send(response, status, body, headers)
  }
}

async function tokenFor(access: Access, request: IncomingMessage): Promise<object> {
  const { login, service, scopes } = await askedBy(request)
  if (service !== null && service !== access.issuer.aud) {
    throw new RegistryError('UNSUPPORTED', 'there are no tokens for this service here', { status: 400 })
  }
  const account = login === null ? null : await logIn(access, request, login)
  const rights = account?.rights ?? access.anonymous
  if (account === null && rights.length === 0) throw unauthorized('log in first')
  const given = scopes.flatMap((scope) => granted(rights, scope) ?? [])
  return answer(access, account, given)
}

function answer({ issuer, clock }: Access, account: Account | null, scopes: readonly Scope[]): object {
  const now = Math.floor(clock.now() / 1000)
  const exp = now + TOKEN_SECONDS
  const who = { sub: account?.name ?? '', account: account?.id ?? '' }
  const token = signToken(issuer, { ...who, iat: now, nbf: now, exp, access: scopes })
  const scope = scopes.map(formatScope).join(' ')
  const issued = new Date(now * 1000).toISOString()
  // The specification has two names for it, and clients for either.
  return { token, access_token: token, token_type: 'Bearer', expires_in: TOKEN_SECONDS, issued_at: issued, scope }
}

/** What of a scope the rights allow; null: nothing. */
function granted(rights: readonly RegistryRight[], scope: Scope): Scope | null {
  if (scope.type === 'registry') return scope
  const wanted = EVERY_ACTION.filter((action) => scope.actions.includes(action) || scope.actions.includes('*'))
  const actions = wanted.filter((action) => isAllowed(rights, scope.name, action))
  return actions.length === 0 ? null : { ...scope, actions }
}

async function logIn(
  { signIn }: Access,
  request: IncomingMessage,
  login: { readonly name: string; readonly secret: string },
): Promise<Account> {
  try {
    return await signIn.account({ ...login, address: addressOf(request) })
  } catch (failed) {
    if (failed instanceof RegistryError && failed.code === 'UNAUTHORIZED') throw unauthorized(failed.message)
    throw failed
  }
}

async function askedBy(request: IncomingMessage): Promise<Asked> {
  if (request.method === 'GET') return askedByGet(request)
  if (request.method === 'POST') return askedByForm(new URLSearchParams(await formOf(request)))
  throw new RegistryError('UNSUPPORTED', 'tokens are asked for by GET or POST', { headers: { Allow: 'GET, POST' } })
}

function askedByGet({ url = '', headers: { authorization = '' } }: IncomingMessage): Asked {
  const query = new URLSearchParams(url.slice(url.indexOf('?') + 1 || url.length))
  const login = basicOf(authorization)
  if (authorization !== '' && login === null) throw unauthorized('a token is given for a name and a password')
  return { login, service: query.get('service'), scopes: parseScopes(query.getAll('scope')) }
}

function askedByForm(form: URLSearchParams): Asked {
  const grant = form.get('grant_type')
  const name = form.get('username')
  const secret = form.get('password')
  if (grant !== 'password' || name === null || secret === null) {
    // No long-lived token is given, so none can be shown: clients that hold one of another registry are told by the code of RFC 6749.
    throw new OAuthError('unsupported_grant_type', 'only grant_type=password is known, with username and password')
  }
  return { login: { name, secret }, service: form.get('service'), scopes: parseScopes(form.getAll('scope')) }
}

/** An error of RFC 6749, section 5.2, which says the same in the shape of the registry as well. */
class OAuthError extends RegistryError {
  readonly #error: string

  constructor(error: string, message: string) {
    super('UNSUPPORTED', message, { status: 400 })
    this.#error = error
  }

  override get body(): object {
    return { ...super.body, error: this.#error, error_description: this.message }
  }
}

async function formOf(request: IncomingMessage): Promise<string> {
  const late = setTimeout(() => request.destroy(), FORM_MS)
  const pieces: Buffer[] = []
  let size = 0
  try {
    for await (const piece of request) {
      size += (piece as Buffer).length
      if (size > MOST_FORM_BYTES) throw new RegistryError('UNSUPPORTED', 'the form is too long', { status: 413 })
      pieces.push(piece as Buffer)
    }
  } finally {
    clearTimeout(late)
  }
  return Buffer.concat(pieces).toString()
}

function send(response: ServerResponse, status: number, body: object, headers: Readonly<Record<string, string>> = {}) {
  if (response.destroyed || response.headersSent) return
  const bytes = Buffer.from(JSON.stringify(body))
  const always = { 'Content-Type': 'application/json', 'Content-Length': bytes.length, 'Cache-Control': 'no-store' }
  // The rest of a form that is too long is not read.
  const ends = status === 413 ? { Connection: 'close' } : {}
  response.writeHead(status, { ...always, ...ends, ...headers }).end(bytes)
}

const unauthorized = (message: string) =>
  new RegistryError('UNAUTHORIZED', message, { headers: { 'WWW-Authenticate': 'Basic realm="naru"' } })
