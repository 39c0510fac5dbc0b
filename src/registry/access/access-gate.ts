import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../lib/clock.ts'
import { EVERY_ACTION, isAllowed, isAllowedEverywhere, type RegistryRight } from '../../model/registry-right.ts'
import { EVERYTHING, type Gate, type Need, type Visitor } from '../server/gate.ts'
import { RegistryError } from '../server/registry-error.ts'
import { type TokenIssuer, verifyToken } from './access-token.ts'
import { isExpired } from './account.ts'
import type { Accounts } from './accounts.ts'
import { addressOf, basicOf, bearerOf, originOf } from './caller.ts'
import { CATALOG, formatScope, MOUNT, type Scope } from './scope.ts'
import type { SignIn } from './sign-in.ts'

/** What decides on who may do what. */
export interface Access {
  readonly accounts: Accounts
  readonly signIn: SignIn
  readonly issuer: TokenIssuer
  /** What anybody may do without a login. */
  readonly anonymous: readonly RegistryRight[]
  readonly clock: Clock
  /** Whether a request came over the socket that only the user of this process can open: all is allowed there. */
  isLocal(request: IncomingMessage): boolean
}

/** What a request showed. */
interface Caller {
  /** null: nobody. */
  readonly name: string | null
  readonly rights: readonly RegistryRight[]
  /** What its token is for; null: it showed none, so all of its rights count. */
  readonly scopes: readonly Scope[] | null
  readonly shown: 'nothing' | 'basic' | 'token'
}

/** Lets requests in by the token flow of the distribution specification's registries, by Basic, or as anybody. */
export function accessGate(access: Access): Gate {
  return async (request, need) => {
    if (access.isLocal(request)) return EVERYTHING
    const caller = await callerOf(access, request, need)
    const visitor = visitorOf(caller)
    if (suffices(caller, visitor, need)) return visitor
    throw refusal(access, request, caller, need)
  }
}

async function callerOf(access: Access, request: IncomingMessage, need: Need): Promise<Caller> {
  const { authorization = '' } = request.headers
  if (authorization === '') return { name: null, rights: access.anonymous, scopes: null, shown: 'nothing' }
  const basic = basicOf(authorization)
  if (basic !== null) {
    const { name, rights } = await access.signIn
      .account({ ...basic, address: addressOf(request) })
      .catch((failed: unknown) => {
        if (!(failed instanceof RegistryError) || failed.code !== 'UNAUTHORIZED') throw failed
        throw unauthorized(failed.message, challenge(access, request, need))
      })
    return { name, rights, scopes: null, shown: 'basic' }
  }
  const token = await tokenCaller(access, bearerOf(authorization) ?? '')
  if (token !== null) return token
  throw unauthorized('the token is not valid, or not any more', challenge(access, request, need, 'invalid_token'))
}

/** What a token is good for now: what it says, as far as its account still may; null: nothing. */
async function tokenCaller({ issuer, accounts, anonymous, clock }: Access, token: string): Promise<Caller | null> {
  const claims = verifyToken(issuer, token, clock.now())
  if (claims === null) return null
  const { sub, access: scopes } = claims
  if (sub === '') return { name: null, rights: anonymous, scopes, shown: 'token' }
  const account = await accounts.recent(sub)
  if (account === null || account.id !== claims.account || isExpired(account, clock.now())) return null
  return { name: sub, rights: account.rights, scopes, shown: 'token' }
}

function visitorOf({ name, rights, scopes }: Caller): Visitor {
  const gives = (type: Scope['type'], of: string, action: string) =>
    scopes === null ||
    scopes.some((scope) => scope.type === type && scope.name === of && scope.actions.includes(action))
  const named = scopes?.filter(({ type, actions }) => type === 'repository' && actions.includes('pull')) ?? []
  const everywhere = isAllowedEverywhere(rights, 'pull') ? 'all' : 'those that it sees'
  return {
    name,
    may: (repository, action) => gives('repository', repository, action) && isAllowed(rights, repository, action),
    sees: (repository) => isAllowed(rights, repository, 'pull'),
    mounts: gives('registry', MOUNT.name, '*') ? everywhere : named.map((scope) => scope.name),
  }
}

function suffices({ rights, scopes, shown }: Caller, visitor: Visitor, need: Need): boolean {
  if (need.kind === 'repository') return visitor.may(need.repository, need.action)
  // docker takes what it is asked for here as what the whole registry wants, so it must be asked also where anybody may pull.
  if (need.kind === 'ping')
    return shown !== 'nothing' || EVERY_ACTION.every((action) => isAllowedEverywhere(rights, action))
  return scopes === null ? shown !== 'nothing' || rights.length > 0 : scopes.some(({ name }) => name === CATALOG.name)
}

/** The same answer whether the repository is there or not: nothing of the store was looked at. */
function refusal(access: Access, request: IncomingMessage, caller: Caller, need: Need): RegistryError {
  const { name, rights, shown } = caller
  const what = need.kind === 'repository' ? `${need.action} ${need.repository}` : 'list repositories'
  if (shown === 'nothing') return unauthorized('log in first', challenge(access, request, need))
  const wouldDo = need.kind !== 'repository' || isAllowed(rights, need.repository, need.action)
  if (name === null || (shown === 'token' && wouldDo)) {
    const message = name === null ? 'log in first' : `the token is not for this: ${what}`
    return unauthorized(message, challenge(access, request, need, 'insufficient_scope'))
  }
  return new RegistryError('DENIED', `${name} may not ${what}`)
}

function challenge({ issuer }: Access, request: IncomingMessage, need: Need, error?: string): string {
  const scopes = scopesOf(need).map(formatScope).join(' ')
  const parts = [
    `realm="${originOf(request)}/token"`,
    `service="${issuer.aud}"`,
    ...(scopes === '' ? [] : [`scope="${scopes}"`]),
    ...(error === undefined ? [] : [`error="${error}"`]),
  ]
  return `Bearer ${parts.join(',')}`
}

/** What a client is to ask a token for. */
function scopesOf(need: Need): readonly Scope[] {
  if (need.kind !== 'repository') return need.kind === 'catalog' ? [CATALOG] : []
  const { repository, action, mountFrom } = need
  const actions = action === 'pull' ? ['pull'] : ['pull', action]
  const wanted: Scope = { type: 'repository', name: repository, actions }
  if (mountFrom === undefined) return [wanted]
  return mountFrom === null ? [wanted, MOUNT] : [wanted, { type: 'repository', name: mountFrom, actions: ['pull'] }]
}

const unauthorized = (message: string, header: string) =>
  new RegistryError('UNAUTHORIZED', message, { headers: { 'WWW-Authenticate': header } })
