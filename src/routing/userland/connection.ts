import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net'
import { Deadlines } from './deadlines.ts'
import { finish, forward } from './forward.ts'
import type { GivenConnection, LiveTarget } from './live-target.ts'
import type { TargetPool } from './target-pool.ts'
import { giveBuffer, takeBuffer } from './read-buffers.ts'

/** A connect that takes longer than this is given up: the target's queue is full or its host is gone. */
const CONNECT_TIMEOUT_MS = 3000
/** How long a client may be silent after its target has said its last word: as long as the kernel's own FIN_WAIT2. */
const LINGER_MS = 60_000

const connecting = new Deadlines<Socket>(CONNECT_TIMEOUT_MS, (upstream) => {
  // Whoever had to wait for the processor hears of the time first, and of a connect that succeeded after it.
  setImmediate(() => {
    if (upstream.connecting) upstream.destroy(new Error('connect timed out'))
  })
})
const lingering = new Deadlines<Socket>(LINGER_MS, (client) => client.destroy())

/** A handle as the listener accepted it. Node has no public way to accept with a read buffer of one's own. */
export type AcceptedHandle = object

/** What a route gives its connections. */
export interface Routing {
  readonly pool: TargetPool
  /** Told of the client's address and the target, once that is final. */
  served(client: Socket, target: LiveTarget): void
}

/** A connection to one target, tried or used. */
interface Upstream {
  readonly socket: Socket
  readonly target: LiveTarget
  readonly buffer: Buffer
}

/**
 * One client's connection and its way to a target: bytes both ways, half-open allowed. Each direction has one read buffer that is reused
 * (reference/routing.md section 1); while a write from it is not done its reader is paused: back-pressure with bounded memory.
 * What is done once for each new connection is kept small, because that is most of what a router of short connections does: the readers are
 * started by `read(0)`, which does not set the streams flowing, and a socket sends without delay from its second write on (the first
 * has nothing before it to wait for).
 */
export class Connection implements GivenConnection {
  readonly #routing: Routing
  readonly #client: Socket
  readonly #clientBuffer = takeBuffer()
  #upstream: Upstream | null = null
  #tried: Set<LiveTarget> | null = null
  #connected = false
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

  constructor(handle: AcceptedHandle, routing: Routing) {
    this.#routing = routing
    const onread: OnReadOpts = { buffer: this.#clientBuffer, callback: (size, buffer) => this.#toTarget(size, buffer) }
    // `handle` and `pauseOnCreate` are what node:net itself uses for accepted sockets; its types leave them out.
    const options = { handle, allowHalfOpen: true, pauseOnCreate: true, onread }
    this.#client = new Socket(options as SocketConstructorOpts)
    this.#client.on('end', () => this.#clientEnded())
    this.#client.on('error', ignore)
    this.#client.on('close', (failed) => this.#clientClosed(failed))
    this.connect()
  }

  get inFlight(): boolean {
    return this.#owed || this.#client.writableLength > 0 || (this.#upstream?.socket.writableLength ?? 0) > 0
  }

  get isOpen(): boolean {
    return !this.#ended
  }

  get upstreamPort(): number | null {
    return this.#upstream?.socket.localPort ?? null
  }

  connect(): void {
    if (this.#over) return
    const target = this.#routing.pool.claim(this, this.#tried)
    if (target !== null) this.#connectTo(target)
    else if (this.#tried === null) this.#routing.pool.hold(this)
    else this.#waitAgain()
  }

  refuse(): void {
    this.#client.resetAndDestroy()
  }

  moveUnused(): void {
    if (this.#sent || this.#received || this.#over) return
    this.#leaveTarget()
    this.connect()
  }

  #waitAgain(): void {
    this.#tried = null
    this.#routing.pool.hold(this)
  }

  #connectTo(target: LiveTarget): void {
    const buffer = takeBuffer()
    const onread: OnReadOpts = { buffer, callback: (size, read) => this.#toClient(size, read) }
    const socket = new Socket({ allowHalfOpen: true, onread })
    const upstream = { socket, target, buffer }
    this.#upstream = upstream
    this.#connected = false
    this.#setWaits(target, true)
    connecting.add(socket)
    socket.on('connect', () => this.#onConnect(upstream))
    socket.on('end', () => this.#upstreamEnded(upstream))
    socket.on('error', ignore)
    socket.on('close', (failed) => this.#upstreamClosed(upstream, failed))
    socket.connect({ host: target.record.address.host, port: target.record.address.port })
  }

  #onConnect(upstream: Upstream): void {
    const { socket, target } = upstream
    connecting.delete(socket)
    if (upstream !== this.#upstream) return
    this.#connected = true
    target.connections++
    this.#setWaits(target, false)
    this.#routing.served(this.#client, target)
    this.#client.read(0)
  }

  #toTarget(size: number, buffer: Uint8Array): boolean {
    const upstream = this.#upstream
    if (upstream === null) return false
    if (this.#sent) upstream.socket.setNoDelay(true)
    this.#sent = true
    this.#setOwed(upstream.target, true)
    return forward(this.#client, upstream.socket, size, buffer)
  }

  #toClient(size: number, buffer: Uint8Array): boolean {
    const upstream = this.#upstream
    if (upstream === null) return false
    if (this.#received) this.#client.setNoDelay(true)
    this.#received = true
    this.#setOwed(upstream.target, false)
    return forward(upstream.socket, this.#client, size, buffer)
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

  #clientEnded(): void {
    const upstream = this.#upstream
    if (upstream !== null) finish(upstream.socket, this.#ended)
  }

  #upstreamEnded(upstream: Upstream): void {
    if (upstream !== this.#upstream) return
    const { target } = upstream
    if (this.#owed) target.cut++
    this.#setOwed(target, false)
    this.#ended = true
    finish(this.#client, this.#client.readableEnded)
    if (!this.#client.destroyed) lingering.add(this.#client)
    if (target.record.state !== 'Active') this.#routing.pool.touched()
  }

  #clientClosed(failed: boolean): void {
    this.#over = true
    if (this.#ended) lingering.delete(this.#client)
    this.#routing.pool.forget(this)
    const socket = this.#upstream?.socket
    if (socket === undefined || socket.destroyed) this.#release()
    // Nothing was said to the target yet, and a reset would wait for the connect.
    else if (socket.connecting) socket.destroy()
    else if (failed || !socket.writableEnded) socket.resetAndDestroy()
    // Otherwise both have said their last word, and the rest of the client's bytes is still on its way to the target.
  }

  #upstreamClosed(upstream: Upstream, failed: boolean): void {
    const { socket, target, buffer } = upstream
    connecting.delete(socket)
    if (upstream !== this.#upstream) {
      giveBuffer(buffer)
      return
    }
    if (this.#over) {
      this.#release()
      return
    }
    if (!this.#connected) target.refused++
    if (failed && !this.#sent && !this.#received) this.#tryAnother(target)
    else if (failed) {
      if (this.inFlight) target.cut++
      this.#client.resetAndDestroy()
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
    const upstream = this.#upstream
    this.#client.pause()
    this.#unregister()
    if (upstream === null) return
    // Else its buffer is given back when it has closed.
    if (upstream.socket.closed) giveBuffer(upstream.buffer)
    else upstream.socket.destroy()
  }

  /** Both sides are closed: no write of either buffer is left. */
  #release(): void {
    giveBuffer(this.#clientBuffer)
    if (this.#upstream !== null) giveBuffer(this.#upstream.buffer)
    this.#unregister()
  }

  #unregister(): void {
    const target = this.#upstream?.target
    this.#upstream = null
    this.#owed = false
    if (target === undefined) return
    this.#setWaits(target, false)
    target.open.delete(this)
    if (target.record.state !== 'Active') this.#routing.pool.touched()
  }
}

function ignore(): void {
  // `close` says it.
}
