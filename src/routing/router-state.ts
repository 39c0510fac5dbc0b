import { type Scope, scopeName } from '../model/app.ts'
import { DeployError } from '../model/failure.ts'
import type { ObservedTarget } from '../model/observed.ts'
import type { FencingToken } from '../model/rollout.ts'
import type { PublishedRoute } from '../model/step.ts'
import type { Target } from './router.ts'

/** A target as the router remembers it across its own death. */
export interface TargetRecord extends Target {
  readonly state: ObservedTarget['state']
  /** Wall milliseconds since when it is in this state. */
  readonly sinceMs: number
}

/** What a router process knows of one scope. */
export interface ScopeState {
  readonly scope: Scope
  /** The newest token that changed it: an older one is refused. */
  readonly token: FencingToken
  readonly routes: readonly PublishedRoute[]
  readonly targets: readonly TargetRecord[]
}

/** Everything that a successor of the router process needs, by scope name. */
export interface RouterState {
  /** Counts the starts of router processes of this folder: the kernel's map refuses a writer of an older one. */
  readonly generation: number
  readonly scopes: Readonly<Record<string, ScopeState>>
}

export const EMPTY_STATE: RouterState = { generation: 0, scopes: {} }

/** The scope's state; an empty one for a scope that is not known. */
export const scopeState = (state: RouterState, scope: Scope): ScopeState =>
  state.scopes[scopeName(scope)] ?? { scope, token: 0, routes: [], targets: [] }

/** `127.0.0.1:8080`, `[::1]:8080`: the key of a listening address. */
export const addressName = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

/** The scope with the token noted. Throws FENCED when a newer one was here before. */
export function fenced(state: RouterState, scope: Scope, token: FencingToken): ScopeState {
  const known = scopeState(state, scope)
  if (token >= known.token) return { ...known, token }
  throw new DeployError(
    'FENCED',
    `the router refused ${scopeName(scope)}: token ${token} is older than ${known.token}`,
    {
      hint: 'Another process has taken over this environment. Nothing was changed; see what it does with: naru status',
      detail: { token, newest: known.token },
    },
  )
}

/** The state with this scope in place of the old one. One without routes and targets is kept for its token. */
export const withScope = (state: RouterState, changed: ScopeState): RouterState => ({
  ...state,
  scopes: { ...state.scopes, [scopeName(changed.scope)]: changed },
})

/** The target becomes Active, also one that was Draining or Down, or that came back at another address. */
export function admitted(known: ScopeState, target: Target, nowMs: number): ScopeState {
  const old = known.targets.find(({ replica }) => replica === target.replica)
  const unchanged = old?.state === 'Active' && addressName(old.address) === addressName(target.address)
  const { replica, role, revision, address } = target
  const record: TargetRecord = {
    ...{ replica, role, revision, address },
    state: 'Active',
    sinceMs: unchanged ? old.sinceMs : nowMs,
  }
  return { ...known, targets: [...known.targets.filter((one) => one.replica !== replica), record].sort(byReplica) }
}

/** The target leaves the choice: as `Draining` (asked for) or `Down` (gone by itself). Unknown ones and repeats change nothing. */
export function retired(known: ScopeState, replica: string, state: 'Draining' | 'Down', nowMs: number): ScopeState {
  const change = (one: TargetRecord) =>
    one.replica === replica && one.state !== state ? { ...one, state, sinceMs: nowMs } : one
  return { ...known, targets: known.targets.map(change) }
}

/** The target is forgotten. */
export const removed = (known: ScopeState, replica: string): ScopeState => ({
  ...known,
  targets: known.targets.filter((one) => one.replica !== replica),
})

/** Which other scope has published one of the addresses; null: none has. */
export function publishedElsewhere(state: RouterState, scope: Scope, routes: readonly PublishedRoute[]) {
  for (const other of Object.values(state.scopes)) {
    if (scopeName(other.scope) === scopeName(scope)) continue
    for (const { listen } of other.routes) {
      if (routes.some((route) => addressName(route.listen) === addressName(listen)))
        return { scope: other.scope, listen }
    }
  }
  return null
}

const byReplica = (a: TargetRecord, b: TargetRecord) => (a.replica < b.replica ? -1 : a.replica > b.replica ? 1 : 0)
