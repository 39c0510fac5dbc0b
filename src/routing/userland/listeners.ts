import type { Server } from 'node:net'
import { DeployError } from '../../model/failure.ts'
import type { PublishedRoute } from '../../model/step.ts'
import { addressName } from '../router-state.ts'
import { handleOf } from '../sockets/handle-sockets.ts'
import type { RelaySocket, Sockets } from '../sockets/relay-socket.ts'
import { Connection, type Routing } from './connection.ts'
import type { KeeperChannel, KeeperLink } from './keeper-link.ts'
import { listen } from './listener.ts'
import type { LiveTarget } from './live-target.ts'
import { portOwner } from './port-owner.ts'
import { ServedPorts } from './served-ports.ts'
import type { TargetPool } from './target-pool.ts'

type Address = PublishedRoute['listen']

/** One published address: where its connections go may change, its socket does not. */
class Listener implements Routing {
  readonly address: Address
  readonly sockets: Sockets
  readonly servedPorts = new ServedPorts()
  /** None but the machine's own clients can reach it. */
  readonly #isLocal: boolean
  pool: TargetPool
  server: Server | null = null

  constructor(address: Address, sockets: Sockets, pool: TargetPool) {
    this.address = address
    this.sockets = sockets
    this.#isLocal = LOOPBACK.test(address.host)
    this.pool = pool
  }

  served(client: RelaySocket, target: LiveTarget): void {
    const remote = client.remote()
    if (remote === null) return
    // Only the machine's own clients can ask: another host's port of the same number must not hide theirs.
    if (this.#isLocal || LOOPBACK.test(remote.address) || remote.address === this.address.host) {
      this.servedPorts.note(remote.port, target.record.revision, performance.now())
    } else client.keepAlive(KEEPALIVE_SECONDS)
  }
}

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/
/** After this much silence the kernel asks a client on another machine whether it is still there. */
const KEEPALIVE_SECONDS = 60

/** The published addresses that this process listens on. */
export class Listeners {
  readonly #keeper: KeeperLink
  readonly #sockets: Sockets
  readonly #all = new Map<string, Listener>()

  constructor(keeper: KeeperLink, sockets: Sockets) {
    this.#keeper = keeper
    this.#sockets = sockets
  }

  /** Gives all sockets to a keeper that was started here and waits for them. */
  keptBy(channel: KeeperChannel): void {
    this.#keeper.attach(channel)
    for (const { address, server } of this.#all.values())
      if (server !== null) this.#keeper.hold(address, handleOf(server))
    this.#keeper.go()
  }

  has(address: Address): boolean {
    return this.#all.has(addressName(address))
  }

  /** Takes the address. Throws PORT_TAKEN, which names who has it, or ROUTER_FAILED; then nothing is taken. */
  async open(address: Address, pool: TargetPool): Promise<void> {
    const listener = new Listener(address, this.#sockets, pool)
    try {
      const bound = await this.#keeper.bind(address)
      listener.server = await listen(address, bound)
      this.#sockets.serve(listener.server, (take) => void new Connection(take, listener))
      this.#keeper.hold(address, handleOf(listener.server))
    } catch (failed) {
      this.#keeper.unbind(address)
      throw await bindFailure(address, failed)
    }
    this.#all.set(addressName(address), listener)
  }

  /** From now on connections to the address go to this pool. */
  lead(address: Address, pool: TargetPool): void {
    const listener = this.#all.get(addressName(address))
    if (listener !== undefined) listener.pool = pool
  }

  /** Gives every address back that is not among these. Open connections stay. */
  closeAllBut(addresses: readonly Address[]): void {
    const kept = new Set(addresses.map(addressName))
    for (const [name, { address, server }] of this.#all) {
      if (kept.has(name)) continue
      this.#all.delete(name)
      server?.close()
      this.#keeper.unbind(address)
    }
  }

  /** Stops to accept, and leaves the addresses to a successor. */
  leave(): void {
    for (const { server } of this.#all.values()) server?.close()
    this.#all.clear()
  }

  /** Which revision served the machine's own client with this source port, by the newest reading of these addresses. */
  servedBy(addresses: readonly Address[], port: number): number | null {
    for (const address of addresses) {
      const revision = this.#all.get(addressName(address))?.servedPorts.revision(port, performance.now()) ?? null
      if (revision !== null) return revision
    }
    return null
  }
}

async function bindFailure(address: Address, failed: unknown): Promise<unknown> {
  const code = (failed as NodeJS.ErrnoException).code
  const name = addressName(address)
  if (code === 'EADDRINUSE') {
    const owner = await portOwner(address.port).catch(() => null)
    return new DeployError('PORT_TAKEN', `${name} is taken${owner === null ? '' : ` by ${owner}`}`, {
      hint: 'Nothing was changed. Stop what listens there, or set another port in routes[].listen.',
      detail: { host: address.host, port: address.port, ...(owner === null ? {} : { owner }) },
      cause: failed,
    })
  }
  if (failed instanceof DeployError) return failed
  return new DeployError('ROUTER_FAILED', `could not listen on ${name}: ${code ?? (failed as Error).message}`, {
    hint:
      code === 'EACCES'
        ? 'Nothing was changed. Ports below 1024 need root: run the server as root, or set a higher port in routes[].listen.'
        : 'Nothing was changed. Set an address of this machine in routes[].listen (ip addr shows them).',
    detail: { host: address.host, port: address.port },
    cause: failed,
  })
}
