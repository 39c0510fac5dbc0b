import { scopeName } from '../../model/app.ts'
import type { Target } from '../router.ts'
import type { ScopeState } from '../router-state.ts'
import { readConntrack } from './conntrack.ts'
import { type Accepts, acceptsOf, type KernelRoute, type WantedTable, wantedTable } from './nft-table.ts'
import { readListening } from './socket-table.ts'

/** Which revision a port of the host belongs to, and who of its earlier owner's clients is still tracked. */
interface PortOwner {
  readonly revision: number
  /** Source ports whose entry may be the earlier owner's: of them nobody can tell. */
  readonly unsure: ReadonlySet<number>
}

/** A port is known for this long after its target was forgotten: conntrack keeps a closed connection 120 s where it cannot be told otherwise (nf_conntrack_tcp_timeout_time_wait). */
const MOST_PORTS = 4096

/** What the router knows of the host's sockets: where targets listen, and whose a port was. */
export class KernelView {
  readonly #accepts = new Map<string, Accepts>()
  readonly #owners = new Map<number, PortOwner>()

  /** Reads on which addresses a target listens, and notes whose its port is from now on. */
  async learn(name: string, target: Target): Promise<void> {
    const { host, port } = target.address
    const local = host === '127.0.0.1' || host === '::1'
    if (!local) return
    this.#accepts.set(`${name} ${target.replica}`, acceptsOf(await readListening(port), port))
    const before = this.#owners.get(port)
    if (before?.revision === target.revision) return
    const unsure = before === undefined ? new Set<number>() : clientsOf(port)
    this.#owners.delete(port)
    this.#owners.set(port, { revision: target.revision, unsure })
    for (const oldest of this.#owners.keys()) {
      if (this.#owners.size <= MOST_PORTS) break
      this.#owners.delete(oldest)
    }
  }

  /** The target is forgotten; its port still tells who served whom. */
  forget(name: string, replica: string): void {
    this.#accepts.delete(`${name} ${replica}`)
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
  redirected(clientPorts: readonly number[], calledPorts: readonly number[]): ReadonlyMap<number, number> {
    const revisions = new Map<number, number>()
    const tracked = readConntrack({ clientPorts, calledPorts }) ?? []
    for (const { client, called, clientPort, calledPort, answeringPort } of tracked) {
      const owner = this.#owners.get(answeringPort)
      if (answeringPort === calledPort || owner === undefined || owner.unsure.has(clientPort)) continue
      if (client === called || client.startsWith('127.')) revisions.set(clientPort, owner.revision)
    }
    return revisions
  }
}

const NOWHERE: Accepts = { loopback4: false, every4: false, loopback6: false, every6: false }

/** Source ports of every tracked connection that this port answers. */
function clientsOf(port: number): Set<number> {
  const clients = new Set<number>()
  for (const { answeringPort, clientPort } of readConntrack({ clientPorts: null, calledPorts: null }) ?? []) {
    if (answeringPort === port) clients.add(clientPort)
  }
  return clients
}
