import { setTimeout as delay } from 'node:timers/promises'
import { scopeName } from '../../model/app.ts'
import type { Target } from '../router.ts'
import { Rounds } from '../rounds.ts'
import type { ScopeState } from '../router-state.ts'
import { readConntrack, type TrackedConnection } from './conntrack.ts'
import { type Accepts, acceptsOf } from './accepts.ts'
import { type KernelRoute, type WantedTable, wantedTable } from './wanted-table.ts'
import { readListening } from './socket-table.ts'

/** Which revision a port of the host belongs to, and who of its earlier owner's clients is still tracked. */
interface PortOwner {
  readonly revision: number
  /** Source ports whose entry may be the earlier owner's: of them nobody can tell. */
  readonly unsure: ReadonlySet<number>
  /** Monotonic; null: it is a target. */
  readonly leftAtMs: number | null
}

/** As many ports are known, also after their targets were forgotten. */
const MOST_PORTS = 4096
/** conntrack keeps a closed connection this long where it cannot be told otherwise (nf_conntrack_tcp_timeout_time_wait). */
const TRACKED_MS = 120_000
/** Reading conntrack takes time in proportion to its size: between two readings there are as many times the last one's, and no more than this. */
const PAUSE_TIMES = 3
const MOST_PAUSE_MS = 2000

/** What the router knows of the host's sockets: where targets listen, and whose a port was. */
export class KernelView {
  readonly #accepts = new Map<string, Accepts>()
  readonly #owners = new Map<number, PortOwner>()
  /** Source ports that were asked for since the last reading of conntrack began. */
  #sought = new Set<number>()
  #notBeforeMs = 0
  readonly #tracked = new Rounds(() => this.#readTracked())

  /** Reads on which addresses a target listens, and notes whose its port is from now on. */
  async learn(name: string, target: Target): Promise<void> {
    const { host, port } = target.address
    const local = host === '127.0.0.1' || host === '::1'
    if (!local) return
    this.#accepts.set(`${name} ${target.replica}`, acceptsOf(await readListening(port), port))
    const before = this.#owners.get(port)
    const known = before?.revision === target.revision ? before.unsure : null
    const unsure = known ?? (isForgotten(before) ? new Set<number>() : await clientsOf(port))
    this.#owners.delete(port)
    this.#owners.set(port, { revision: target.revision, unsure, leftAtMs: null })
    for (const oldest of this.#owners.keys()) {
      if (this.#owners.size <= MOST_PORTS) break
      this.#owners.delete(oldest)
    }
  }

  /** The target is forgotten; its port still tells who served whom. */
  forget(name: string, { replica, address }: Target): void {
    this.#accepts.delete(`${name} ${replica}`)
    const owner = this.#owners.get(address.port)
    if (owner !== undefined) this.#owners.set(address.port, { ...owner, leftAtMs: performance.now() })
  }

  /** Whether the kernel could send connections of the scope to all its targets. */
  covers({ scope, targets }: ScopeState): boolean {
    return targets.every(({ replica }) => this.#accepts.get(`${scopeName(scope)} ${replica}`)?.loopback4 === true)
  }

  /** What the kernel's table should hold for these scopes. */
  wanted(scopes: readonly ScopeState[]): WantedTable {
    const routes: KernelRoute[] = []
    const ports = new Set<number>()
    for (const { scope, routes: published, targets } of scopes) {
      const known = targets.map((target) => ({
        ...target,
        port: target.address.port,
        accepts: this.#accepts.get(`${scopeName(scope)} ${target.replica}`) ?? NOWHERE,
      }))
      for (const { listen, role } of published) {
        routes.push({ listen, targets: known.filter((target) => target.role === role && target.state === 'Active') })
      }
      for (const { port, accepts } of known) if (accepts !== NOWHERE) ports.add(port)
    }
    return wantedTable(routes, ports)
  }

  /** Revisions by source port of the machine's own connections to these ports that the kernel redirected; absent: it does not know. */
  async redirected(
    clientPorts: readonly number[],
    calledPorts: readonly number[],
  ): Promise<ReadonlyMap<number, number>> {
    const [clients, calls] = [new Set(clientPorts), new Set(calledPorts)]
    const revisions = new Map<number, number>()
    if (clients.size === 0 || calls.size === 0) return revisions
    for (const port of clients) this.#sought.add(port)
    for (const { client, called, clientPort, calledPort, answeringPort } of await this.#tracked.run()) {
      const owner = this.#owners.get(answeringPort)
      if (!clients.has(clientPort) || !calls.has(calledPort) || answeringPort === calledPort) continue
      if (owner === undefined || owner.unsure.has(clientPort)) continue
      if (client === called || client.startsWith('127.')) revisions.set(clientPort, owner.revision)
    }
    return revisions
  }

  /** One reading for everybody who asked meanwhile. */
  async #readTracked(): Promise<readonly TrackedConnection[]> {
    const pauseMs = this.#notBeforeMs - performance.now()
    if (pauseMs > 0) await delay(pauseMs)
    const ports = [...this.#sought]
    this.#sought = new Set()
    const began = performance.now()
    const tracked = (await readConntrack(ports)) ?? []
    const ended = performance.now()
    this.#notBeforeMs = ended + Math.min((ended - began) * PAUSE_TIMES, MOST_PAUSE_MS)
    return tracked
  }
}

const NOWHERE: Accepts = { loopback4: false, every4: false, loopback6: false, every6: false }

/** Nobody had the port, or so long ago that none of its connections is tracked any more. */
const isForgotten = (owner: PortOwner | undefined): boolean =>
  owner === undefined || (owner.leftAtMs !== null && performance.now() - owner.leftAtMs > TRACKED_MS)

/** Source ports of every tracked connection that this port answers. */
async function clientsOf(port: number): Promise<ReadonlySet<number>> {
  const tracked = (await readConntrack([port])) ?? []
  return new Set(tracked.filter(({ answeringPort }) => answeringPort === port).map(({ clientPort }) => clientPort))
}
