import { setTimeout as delay } from 'node:timers/promises'
import { backoff } from '../lib/backoff.ts'
import { type Scope, scopeName } from '../model/app.ts'
import { DeployError } from '../model/failure.ts'
import type { FencingToken } from '../model/rollout.ts'
import type { PublishedRoute } from '../model/step.ts'
import { KernelPath } from './kernel/kernel-path.ts'
import { KernelView } from './kernel/kernel-view.ts'
import { isReachable } from './reach.ts'
import type { Target } from './router.ts'
import { RouterMap } from './router-map.ts'
import {
  addressName,
  admitted,
  fenced,
  publishedElsewhere,
  removed,
  retired,
  type ScopeState,
  type TargetRecord,
} from './router-state.ts'
import { SilentTargets } from './silent-targets.ts'
import { chooseSockets, type SocketsAsked } from './sockets/choose-sockets.ts'
import type { Sockets } from './sockets/relay-socket.ts'
import type { KeeperChannel, KeeperLink } from './userland/keeper-link.ts'
import { Listeners } from './userland/listeners.ts'
import type { TargetPool } from './userland/target-pool.ts'

const REACH_TIMEOUT_MS = 1000

export interface RouterCoreOptions {
  /** The state file. */
  readonly statePath: string
  readonly instanceId: string
  readonly fastPath: 'nftables' | 'none'
  /** Of the userland router. */
  readonly sockets: SocketsAsked
  readonly keeper: KeeperLink
  /** Told the name of a scope in which something may have changed. */
  readonly changed: (scope: string) => void
  readonly note: (message: string) => void
}

/** Carries out what is asked of the router: each change of the map is answered when it is durable and the kernel has proven it. */
export class RouterCore {
  readonly #options: RouterCoreOptions
  readonly #listeners: Listeners
  readonly #map: RouterMap
  readonly view: KernelView
  readonly silent = new SilentTargets()
  #kernel: KernelPath | null = null
  /** Whether the kernel redirects, or may soon. Else nothing of it is read: on a busy machine that costs much. */
  #redirects: boolean
  #publishing: Promise<void> = Promise.resolve()
  readonly #ended = new AbortController()

  private constructor(options: RouterCoreOptions, map: RouterMap, sockets: Sockets) {
    this.#options = options
    this.#map = map
    this.#listeners = new Listeners(options.keeper, sockets)
    this.view = new KernelView()
    this.#redirects = options.fastPath === 'nftables'
  }

  /** Goes on where the predecessor ended: its addresses at once, its targets after a connect that succeeds. */
  static async open(options: RouterCoreOptions): Promise<RouterCore> {
    const [map, sockets] = await Promise.all([
      RouterMap.open(options.statePath, options.changed),
      chooseSockets(options.sockets, options.note),
    ])
    const core = new RouterCore(options, map, sockets)
    await Promise.all(map.scopes.map((known) => core.#adopt(known)))
    if (options.fastPath === 'nftables') {
      const wanted = () => core.view.wanted(map.scopes)
      const { instanceId, note } = options
      core.#kernel = await KernelPath.open({ instanceId, generation: map.state.generation, wanted, note })
      core.#redirects = core.#kernel !== null
    }
    return core
  }

  get kernel(): KernelPath | null {
    return this.#kernel
  }

  scope(scope: Scope): ScopeState {
    return this.#map.scope(scope)
  }

  pool(name: string, role: string): TargetPool {
    return this.#map.pool(name, role)
  }

  /** Which revision served the machine's own client with this source port through the userland router. */
  servedBy(scope: Scope, port: number): number | null {
    const addresses = this.scope(scope).routes.map(({ listen }) => listen)
    return this.#listeners.servedBy(addresses, port)
  }

  /** One at a time: an address is bound before it is promised. */
  publish(scope: Scope, routes: readonly PublishedRoute[], token: FencingToken): Promise<void> {
    const done = this.#publishing.then(() => this.#publish(scope, routes, token))
    this.#publishing = done.catch(() => {})
    return done
  }

  async admit(scope: Scope, target: Target, token: FencingToken): Promise<void> {
    fenced(this.#map.state, scope, token)
    if (!(await isReachable(target.address, REACH_TIMEOUT_MS))) throw unreachable(target)
    await this.#learn(scopeName(scope), target)
    await this.#change(scope, token, (known) => admitted(known, target, Date.now()))
  }

  async drain(scope: Scope, replica: string, token: FencingToken): Promise<void> {
    await this.#change(scope, token, (known) => retired(known, replica, 'Draining', Date.now()))
  }

  async remove(scope: Scope, replica: string, token: FencingToken): Promise<void> {
    const target = this.scope(scope).targets.find((one) => one.replica === replica)
    await this.#change(scope, token, (known) => removed(known, replica))
    this.silent.forget(scopeName(scope), replica)
    if (target !== undefined) this.view.forget(scopeName(scope), target)
  }

  /** The process behind a target is gone. One that drains stays as it is: it gets nothing anyway. */
  async exited(name: string, replica: string): Promise<void> {
    const known = this.#map.named(name)
    const target = known?.targets.find((one) => one.replica === replica)
    if (target?.state === 'Draining') this.silent.add(name, target)
    if (known === undefined || target?.state !== 'Active') return
    await this.#commit(retired(known, replica, 'Down', Date.now()))
  }

  /** A keeper that was started here gets the listening sockets, and is told to go on. */
  keptBy(channel: KeeperChannel): void {
    this.#listeners.keptBy(channel)
  }

  /** Ends. `remove`: and takes the kernel's table away; else it stays for the successor, as do the addresses with the keeper. */
  async close(remove: boolean): Promise<void> {
    this.#ended.abort()
    this.#listeners.leave()
    await this.#kernel?.close(remove)
  }

  /** How many connections the userland router has open. */
  openConnections(): number {
    return this.#map.openConnections()
  }

  async #publish(scope: Scope, routes: readonly PublishedRoute[], token: FencingToken): Promise<void> {
    fenced(this.#map.state, scope, token)
    this.#refuseTaken(scope, routes)
    const name = scopeName(scope)
    try {
      for (const { listen, role } of routes) {
        if (!this.#listeners.has(listen)) await this.#listeners.open(listen, this.pool(name, role))
      }
      fenced(this.#map.state, scope, token)
    } catch (failed) {
      this.#listeners.closeAllBut(this.#map.addresses)
      throw failed
    }
    for (const { listen, role } of routes) this.#listeners.lead(listen, this.pool(name, role))
    await this.#change(scope, token, (known) => ({ ...known, routes }))
    this.#listeners.closeAllBut(this.#map.addresses)
  }

  #refuseTaken(scope: Scope, routes: readonly PublishedRoute[]): void {
    const names = routes.map(({ listen }) => addressName(listen))
    const twice = names.find((name, at) => names.indexOf(name) !== at)
    const other = publishedElsewhere(this.#map.state, scope, routes)
    if (twice === undefined && other === null) return
    const what = twice ?? addressName(other?.listen ?? { host: '', port: 0 })
    const owner = other === null ? scopeName(scope) : scopeName(other.scope)
    throw new DeployError('PORT_TAKEN', `${what} is taken by ${owner}${other === null ? ', in two routes' : ''}`, {
      hint: 'Nothing was changed. Set another port in routes[].listen.',
      detail: { address: what, owner },
    })
  }

  async #learn(name: string, target: Target): Promise<void> {
    if (this.#redirects) await this.view.learn(name, target)
  }

  async #change(scope: Scope, token: FencingToken, change: (known: ScopeState) => ScopeState): Promise<void> {
    await this.#commit(change(fenced(this.#map.state, scope, token)))
  }

  /** Takes hold in this turn; resolves when it is durable and proven. */
  async #commit(changed: ScopeState): Promise<void> {
    await Promise.all([this.#map.commit(changed), this.#kernel?.sync()])
  }

  async #adopt(known: ScopeState): Promise<void> {
    const name = scopeName(known.scope)
    const listening = known.routes.map(({ listen, role }) => this.#openAgain(listen, this.pool(name, role)))
    const checking = known.targets.map(async (target) => {
      if (target.state === 'Active' && !(await isReachable(target.address, REACH_TIMEOUT_MS))) this.#lost(name, target)
      await this.#learn(name, target)
    })
    await Promise.all([...listening, ...checking])
  }

  /** An address of ours that somebody took while no router ran: says so, and tries until it is free. */
  async #openAgain(listen: PublishedRoute['listen'], pool: TargetPool): Promise<void> {
    try {
      await this.#listeners.open(listen, pool)
    } catch (failed) {
      this.#options.note(failed instanceof Error ? failed.message : String(failed))
      this.#untilEnded(async () => {
        if (!this.#map.addresses.some((address) => addressName(address) === addressName(listen))) return true
        return this.#listeners.open(listen, pool).then(
          () => true,
          () => false,
        )
      })
    }
  }

  /** A target that nobody said was gone, but that takes no connection: Down until one succeeds. */
  #lost(name: string, target: TargetRecord): void {
    const known = this.#map.named(name)
    if (known === undefined) return
    this.#map.take(retired(known, target.replica, 'Down', Date.now()))
    this.#untilEnded(async () => {
      const reachable = await isReachable(target.address, REACH_TIMEOUT_MS)
      const now = this.#map.named(name)
      if (now?.targets.find((one) => one.replica === target.replica)?.state !== 'Down') return true
      if (!reachable) return false
      await this.#learn(name, target)
      await this.#commit(admitted(now, target, Date.now()))
      return true
    })
  }

  /** Where no event exists: again and again, with a back-off, until it answers true or the router ends. */
  #untilEnded(attempt: () => Promise<boolean>): void {
    const loop = async () => {
      for (const ms of backoff()) {
        await delay(ms, undefined, { signal: this.#ended.signal })
        if (await attempt()) return
      }
    }
    loop().catch((failed: unknown) => {
      if (!this.#ended.signal.aborted) this.#options.note((failed as Error).message)
    })
  }
}

const unreachable = (target: Target) =>
  new DeployError(
    'ROUTER_FAILED',
    `${target.replica} did not take a connection at ${addressName(target.address)} within ${REACH_TIMEOUT_MS} ms`,
    {
      hint: 'It was not admitted, and traffic goes where it went before. See why with: naru logs',
      detail: { replica: target.replica, port: target.address.port },
    },
  )
