import { type Scope, scopeName } from '../model/app.ts'
import type { ObservedRouter, ObservedTarget } from '../model/observed.ts'
import { type OpenSocket, readOpenSockets } from './kernel/open-sockets.ts'
import type { RouterCore } from './router-core.ts'
import type { ScopeState, TargetRecord } from './router-state.ts'
import { Rounds } from './rounds.ts'
import type { LiveTarget } from './userland/live-target.ts'

/** A connection that is set up and that the target has not ended. */
const OPEN = new Set<OpenSocket['state']>(['ESTABLISHED', 'CLOSE_WAIT'])
/** One whose bytes may still be under way. */
const BUSY = new Set<OpenSocket['state']>(['ESTABLISHED', 'CLOSE_WAIT', 'FIN_WAIT1'])
const NOTHING_COUNTED = { connections: 0, refused: 0 }

/** What goes on now, as the data path sees it: the userland router's own tables, and the kernel's sockets and counters where it redirects. */
export class Readings {
  readonly #core: RouterCore
  /** Of targets that have left, by scope: reading sockets costs milliseconds, nothing waits for an Active one, and who asks together reads once. */
  readonly #sockets = new Map<string, Rounds<readonly OpenSocket[]>>()

  constructor(core: RouterCore) {
    this.#core = core
  }

  /** The scope now. What the kernel sent to an Active target is counted in its connections, but not in `inFlight` and `open`. */
  async observe(scope: Scope): Promise<ObservedRouter> {
    const kernel = this.#core.kernel
    if (kernel === null || !this.#isRedirected(this.#core.scope(scope))) {
      const targets = this.#core.scope(scope).targets.map((record) => this.#ownReading(scope, record))
      return { targets, reading: 'bytes', path: 'userland' }
    }
    const [sockets, held] = await Promise.all([this.#readSockets(scope), kernel.refresh()])
    const targets = this.#core.scope(scope).targets.map((record) => {
      const { connections, refused } = held?.ports.get(record.address.port) ?? NOTHING_COUNTED
      const reading = this.#withSockets(scope, record, sockets)
      const { counts } = reading
      const both = { connections: counts.connections + connections, refused: counts.refused + refused, cut: counts.cut }
      return { ...reading, counts: both }
    })
    return { targets, reading: 'queues', path: 'nftables' }
  }

  /** The targets that drain, without the kernel's counters. */
  async draining(scope: Scope): Promise<readonly ObservedTarget[]> {
    const sockets = this.#isRedirected(this.#core.scope(scope)) ? await this.#readSockets(scope) : []
    const left = this.#core.scope(scope).targets.filter(({ state }) => state === 'Draining')
    return left.map((record) => this.#withSockets(scope, record, sockets))
  }

  /** What is in flight at a target that drains, after it was proven that nothing new can come to it. */
  async drained(scope: Scope, replica: string): Promise<ObservedTarget | null> {
    const target = (await this.draining(scope)).find((one) => one.replica === replica)
    if (target?.open === 0 && target.inFlight === 0) this.#core.silent.add(scopeName(scope), target)
    return target ?? null
  }

  /** Of each source port the revision that served it through a published address; null: not known. */
  async servedBy(scope: Scope, sourcePorts: readonly number[]): Promise<(number | null)[]> {
    const called = this.#core.scope(scope).routes.map(({ listen }) => listen.port)
    const redirected = this.#core.kernel === null ? null : await this.#core.view.redirected(sourcePorts, called)
    return sourcePorts.map((port) => redirected?.get(port) ?? this.#core.servedBy(scope, port))
  }

  #isRedirected(known: ScopeState): boolean {
    return this.#core.kernel !== null && this.#core.view.covers(known)
  }

  #readSockets(scope: Scope): Promise<readonly OpenSocket[]> {
    const name = scopeName(scope)
    const known = this.#sockets.get(name) ?? new Rounds(() => readOpenSockets(this.#leftPorts(scope)))
    this.#sockets.set(name, known)
    return known.run()
  }

  #leftPorts(scope: Scope): ReadonlySet<number> {
    const { silent } = this.#core
    const { targets } = this.#core.scope(scope)
    const left = targets.filter((one) => one.state !== 'Active' && !silent.has(scopeName(scope), one))
    return new Set(left.map(({ address }) => address.port))
  }

  #liveTarget(scope: Scope, record: TargetRecord): LiveTarget | undefined {
    const { targets } = this.#core.pool(scopeName(scope), record.role)
    return targets.find((live) => live.record.replica === record.replica)
  }

  #ownReading(scope: Scope, record: TargetRecord): ObservedTarget {
    const { replica, role, revision, address, state, sinceMs } = record
    const live = this.#liveTarget(scope, record)
    return {
      ...{ replica, role, revision, address, state, sinceMs },
      inFlight: live?.inFlight() ?? 0,
      open: live?.openCount() ?? 0,
      counts: { connections: live?.connections ?? 0, refused: live?.refused ?? 0, cut: live?.cut ?? 0 },
    }
  }

  /** The kernel sees the userland router's connections to the target as well: those are counted once. */
  #withSockets(scope: Scope, record: TargetRecord, sockets: readonly OpenSocket[]): ObservedTarget {
    const own = this.#ownReading(scope, record)
    const ours = new Set(
      this.#liveTarget(scope, record)
        ?.open.values()
        .map(({ upstreamPort }) => upstreamPort),
    )
    const rows = sockets.filter(({ localPort, remotePort }) => localPort === own.address.port && !ours.has(remotePort))
    return {
      ...own,
      inFlight: own.inFlight + rows.filter(({ state, queued }) => queued && BUSY.has(state)).length,
      open: own.open + rows.filter(({ state }) => OPEN.has(state)).length,
    }
  }
}
