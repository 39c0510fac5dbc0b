import type { Link } from '../../lib/chain.ts'
import type { RelaySocket, SocketOwner, Sockets, Taken } from '../sockets/relay-socket.ts'
import { Deadlines } from './deadlines.ts'
import type { GivenConnection, LiveTarget } from './live-target.ts'
import type { TargetPool } from './target-pool.ts'

/** A connect that takes longer than this is given up: the target's queue is full or its host is gone. */
const CONNECT_TIMEOUT_MS = 3000
/** How long a client may be silent after its target has said its last word: as long as the kernel's own FIN_WAIT2. */
const LINGER_MS = 60_000

const connecting = new Deadlines<RelaySocket>(CONNECT_TIMEOUT_MS, (upstream) => {
  // Whoever had to wait for the processor hears of the time first, and of a connect that succeeded after it.
  setImmediate(() => {
    if (upstream.connecting) upstream.fail()
  })
})
const lingering = new Deadlines<RelaySocket>(LINGER_MS, (client) => client.close())

/** What a route gives its connections. */
export interface Routing {
  readonly sockets: Sockets
  readonly pool: TargetPool
  /** Told of the client and the target, once that is final. */
  served(client: RelaySocket, target: LiveTarget): void
}

/** A connection to one target, tried or used. */
interface Upstream {
  readonly socket: RelaySocket
  readonly target: LiveTarget
  /** Among the connections of the target. */
  readonly place: Link<GivenConnection>
  /** Among those that connect. */
  readonly deadline: Link<RelaySocket>
}

/**
 * One client's connection and its way to a target: bytes both ways, half-open allowed. Each direction has one read buffer that is reused
 * (reference/routing.md section 1); while a write from it is not done its reader is paused: back-pressure with bounded memory.
 * What is done once for each new connection is kept small, because that is most of what a router of short connections does: a socket
 * sends without delay from its second write on (the first has nothing before it to wait for).
 */
export class Connection implements GivenConnection, SocketOwner {
  readonly #routing: Routing
  readonly #client: RelaySocket
  #upstream: Upstream | null = null
  #tried: Set<LiveTarget> | null = null
  #connected = false
  #linger: Link<RelaySocket> | null = null
  /** Bytes went to the target, came from it. */
  #sent = false
  #received = false
  /** The last bytes went to the target: an answer is owed. */
  #owed = false
  /** The target counts it among those that wait for it. */
  #waits = false
  /** The target has said its last word. */
  #ended = false
  /** The client's socket is closed. */
  #over = false

  constructor(take: Taken, routing: Routing) {
    this.#routing = routing
    this.#client = take(this)
    this.connect()
  }

  get inFlight(): boolean {
    return this.#owed || this.#client.unsent || (this.#upstream?.socket.unsent ?? false)
  }

  get isOpen(): boolean {
    return !this.#ended
  }

  get upstreamPort(): number | null {
    return this.#upstream?.socket.localPort ?? null
  }

  connect(): void {
    if (this.#over) return
    const target = this.#routing.pool.choose(this.#tried)
    if (target !== null) this.#connectTo(target)
    else if (this.#tried === null) this.#routing.pool.hold(this)
    else this.#waitAgain()
  }

  refuse(): void {
    this.#client.reset()
  }

  moveUnused(): void {
    if (this.#sent || this.#received || this.#over) return
    this.#leaveTarget()
    this.connect()
  }

  connected(socket: RelaySocket): void {
    const upstream = this.#upstream
    if (upstream === null || socket !== upstream.socket) return
    this.#connected = true
    upstream.deadline.remove()
    upstream.target.connections++
    this.#setWaits(upstream.target, false)
    this.#routing.served(this.#client, upstream.target)
    socket.start()
    // Its last word may have been heard on the way to an earlier target.
    if (this.#client.heard) socket.end()
    else this.#client.start()
  }

  took(socket: RelaySocket, bytes: Uint8Array): void {
    const upstream = this.#upstream
    if (upstream === null) return
    if (socket === this.#client) this.#toTarget(upstream, bytes)
    else if (socket === upstream.socket) this.#toClient(upstream, bytes)
  }

  ended(socket: RelaySocket): void {
    if (socket === this.#client) this.#upstream?.socket.end()
    else if (socket === this.#upstream?.socket) this.#upstreamEnded(this.#upstream.target)
  }

  closed(socket: RelaySocket, failed: boolean): void {
    if (socket === this.#client) this.#clientClosed(failed)
    else this.#upstreamClosed(socket, failed)
  }

  #waitAgain(): void {
    this.#tried = null
    this.#routing.pool.hold(this)
  }

  #connectTo(target: LiveTarget): void {
    this.#connected = false
    this.#setWaits(target, true)
    const socket = this.#routing.sockets.connect(target.record.address, this)
    this.#upstream = { socket, target, place: target.open.add(this), deadline: connecting.add(socket) }
  }

  #toTarget({ socket, target }: Upstream, bytes: Uint8Array): void {
    if (this.#sent) socket.sendAtOnce()
    this.#sent = true
    this.#setOwed(target, true)
    socket.write(bytes, this.#client)
  }

  #toClient({ socket, target }: Upstream, bytes: Uint8Array): void {
    if (this.#received) this.#client.sendAtOnce()
    this.#received = true
    this.#setOwed(target, false)
    this.#client.write(bytes, socket)
  }

  #setOwed(target: LiveTarget, owed: boolean): void {
    if (this.#owed === owed) return
    this.#owed = owed
    this.#setWaits(target, owed)
    if (target.record.state !== 'Active') this.#routing.pool.touched()
  }

  #setWaits(target: LiveTarget, waits: boolean): void {
    if (this.#waits === waits) return
    this.#waits = waits
    target.waiting += waits ? 1 : -1
  }

  #upstreamEnded(target: LiveTarget): void {
    if (this.#owed) target.cut++
    this.#setOwed(target, false)
    this.#ended = true
    this.#client.end()
    if (!this.#client.closed) this.#linger = lingering.add(this.#client)
    if (target.record.state !== 'Active') this.#routing.pool.touched()
  }

  #clientClosed(failed: boolean): void {
    this.#over = true
    this.#linger?.remove()
    this.#routing.pool.forget(this)
    const socket = this.#upstream?.socket
    if (socket === undefined || socket.closed) this.#unregister()
    else if (failed || !socket.ending) socket.reset()
    // Otherwise both have said their last word, and the rest of the client's bytes is still on its way to the target.
  }

  #upstreamClosed(socket: RelaySocket, failed: boolean): void {
    const upstream = this.#upstream
    if (upstream === null || socket !== upstream.socket) return
    if (this.#over) this.#unregister()
    else {
      if (!this.#connected) upstream.target.refused++
      if (failed) this.#upstreamFailed(upstream.target)
    }
  }

  #upstreamFailed(target: LiveTarget): void {
    if (!this.#sent && !this.#received) this.#tryAnother(target)
    else {
      if (this.inFlight) target.cut++
      this.#client.reset()
    }
  }

  #tryAnother(target: LiveTarget): void {
    this.#tried ??= new Set()
    this.#tried.add(target)
    this.#leaveTarget()
    this.connect()
  }

  /** Before any byte went either way: the client waits, and its target is another's business. */
  #leaveTarget(): void {
    const socket = this.#upstream?.socket
    this.#client.stop()
    this.#unregister()
    socket?.close()
  }

  #unregister(): void {
    const upstream = this.#upstream
    this.#upstream = null
    this.#owed = false
    if (upstream === null) return
    const { target, place, deadline } = upstream
    this.#setWaits(target, false)
    place.remove()
    deadline.remove()
    if (target.record.state !== 'Active') this.#routing.pool.touched()
  }
}
