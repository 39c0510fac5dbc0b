import { type Scope, scopeName } from '../model/app.ts'
import type { PublishedRoute } from '../model/step.ts'
import { type RouterState, type ScopeState, scopeState, withScope } from './router-state.ts'
import { readState, StateFile } from './state-file.ts'
import { TargetPool } from './userland/target-pool.ts'

/** Which targets get connections of which address, in memory and on disk. A change takes hold in memory in one turn. */
export class RouterMap {
  #state: RouterState
  readonly #file: StateFile
  readonly #pools = new Map<string, TargetPool>()
  readonly #changed: (scope: string) => void

  private constructor(state: RouterState, statePath: string, changed: (scope: string) => void) {
    this.#state = { ...state, generation: state.generation + 1 }
    this.#file = new StateFile(statePath, () => this.#state)
    this.#changed = changed
  }

  /** What the predecessor left, as the next generation. `changed` is told the name of a scope in which something may have changed. */
  static async open(statePath: string, changed: (scope: string) => void): Promise<RouterMap> {
    const map = new RouterMap(await readState(statePath), statePath, changed)
    await map.#file.save()
    for (const known of map.scopes) map.#spread(known)
    return map
  }

  get state(): RouterState {
    return this.#state
  }

  get scopes(): readonly ScopeState[] {
    return Object.values(this.#state.scopes)
  }

  get addresses(): readonly PublishedRoute['listen'][] {
    return this.scopes.flatMap(({ routes }) => routes.map(({ listen }) => listen))
  }

  scope(scope: Scope): ScopeState {
    return scopeState(this.#state, scope)
  }

  /** By its name; undefined: nothing is known of it. */
  named(name: string): ScopeState | undefined {
    return this.#state.scopes[name]
  }

  pool(name: string, role: string): TargetPool {
    const key = `${name} ${role}`
    const known = this.#pools.get(key)
    if (known !== undefined) return known
    const pool = new TargetPool(() => this.#changed(name))
    this.#pools.set(key, pool)
    return pool
  }

  /** How many connections the userland router has open. */
  openConnections(): number {
    let open = 0
    for (const pool of this.#pools.values()) for (const target of pool.targets) open += target.open.values().length
    return open
  }

  /** Takes hold in this turn, and is durable with the next change. */
  take(changed: ScopeState): void {
    this.#state = withScope(this.#state, changed)
    this.#spread(changed)
  }

  /** Takes hold in this turn, and is told; resolves when it is durable. */
  commit(changed: ScopeState): Promise<void> {
    this.take(changed)
    this.#changed(scopeName(changed.scope))
    return this.#file.save()
  }

  #spread(known: ScopeState): void {
    const name = scopeName(known.scope)
    const roles = new Set([...known.targets, ...known.routes].map(({ role }) => role))
    for (const key of this.#pools.keys()) if (key.startsWith(`${name} `)) roles.add(key.slice(name.length + 1))
    for (const role of roles) this.pool(name, role).set(known.targets.filter((target) => target.role === role))
  }
}
