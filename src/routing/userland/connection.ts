import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net'
import { Deadlines } from './deadlines.ts'
import type { GivenConnection, LiveTarget } from './live-target.ts'
import type { TargetPool } from './target-pool.ts'
import { giveBuffer, takeBuffer } from './read-buffers.ts'

/** A connect that takes longer than this is given up: the target's queue is full or its host is gone. */
const CONNECT_TIMEOUT_MS = 3000
/** How long a client may be silent after its target has said its last word: as long as the kernel's own FIN_WAIT2. */
const LINGER_MS = 60_000
const NOTHING = Buffer.alloc(0)

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

/**
 * One client's connection and its way to a target: bytes both ways, half-open allowed. Each direction has one read buffer that is reused
 * (reference/routing.md section 1); while a write from it is not done its reader is paused: back-pressure with bounded memory.
 */
export class Connection implements GivenConnection {
  readonly #routing: Routing
  readonly #client: Socket
  readonly #clientBuffer = takeBuffer()
  #upstream: Socket | null = null
  #upstreamBuffer: Buffer | null = null
  #target: LiveTarget | null = null
  #tried: Set<LiveTarget> | null = null
  #connected = false
  /** Bytes went to the target, came from it. */
  #sent = false
  #received = false
  /** The last bytes went to the target: an answer is owed. */
  #owed = false
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
    this.#client.setNoDelay(true)
    this.#client.on('end', () => this.#clientEnded())
    this.#client.on('error', () => {})
    this.#client.on('close', (failed) => this.#clientClosed(failed))
    this.connect()
  }

  get inFlight(): boolean {
    return this.#owed || this.#client.writableLength > 0 || (this.#upstream?.writableLength ?? 0) > 0
  }

  get isOpen(): boolean {
    return !this.#ended
  }

  get upstreamPort(): number | null {
    return this.#upstream?.localPort ?? null
  }

  connect(): void {
    if (this.#over) return
    const target = this.#routing.pool.claim(this, this.#tried)
    this.#target = target
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
    this.#upstreamBuffer = buffer
    const upstream = new Socket({
      allowHalfOpen: true,
      onread: { buffer, callback: (size, read) => this.#toClient(size, read) },
    })
    this.#upstream = upstream
    this.#connected = false
    upstream.setNoDelay(true)
    connecting.add(upstream)
    upstream.on('connect', () => this.#onConnect(upstream, target))
    upstream.on('end', () => this.#upstreamEnded(upstream, target))
    upstream.on('error', () => {})
    upstream.on('close', (failed) => {
      connecting.delete(upstream)
      if (upstream === this.#upstream) this.#upstreamClosed(target, failed)
      else giveBuffer(buffer)
    })
    upstream.connect({ host: target.record.address.host, port: target.record.address.port })
  }

  #onConnect(upstream: Socket, target: LiveTarget): void {
    connecting.delete(upstream)
    if (upstream !== this.#upstream) return
    this.#connected = true
    target.connections++
    this.#routing.served(this.#client, target)
    this.#client.resume()
  }

  #toTarget(size: number, buffer: Uint8Array): boolean {
    const upstream = this.#upstream
    if (upstream === null) return false
    this.#sent = true
    this.#setOwed(true)
    return forward(this.#client, upstream, size, buffer)
  }

  #toClient(size: number, buffer: Uint8Array): boolean {
    const upstream = this.#upstream
    if (upstream === null) return false
    this.#received = true
    this.#setOwed(false)
    return forward(upstream, this.#client, size, buffer)
  }

  #setOwed(owed: boolean): void {
    if (this.#owed === owed) return
    this.#owed = owed
    if (this.#target?.record.state !== 'Active') this.#routing.pool.touched()
  }

  #clientEnded(): void {
    const upstream = this.#upstream
    if (upstream !== null) finish(upstream, this.#ended)
  }

  #upstreamEnded(upstream: Socket, target: LiveTarget): void {
    if (upstream !== this.#upstream) return
    if (this.#owed) target.cut++
    this.#owed = false
    this.#ended = true
    finish(this.#client, this.#client.readableEnded)
    if (!this.#client.destroyed) lingering.add(this.#client)
    if (target.record.state !== 'Active') this.#routing.pool.touched()
  }

  #clientClosed(failed: boolean): void {
    this.#over = true
    if (this.#ended) lingering.delete(this.#client)
    const upstream = this.#upstream
    this.#routing.pool.forget(this)
    if (upstream === null || upstream.destroyed) this.#release()
    else if (failed || !upstream.writableEnded) upstream.resetAndDestroy()
    // Otherwise both have said their last word, and the rest of the client's bytes is still on its way to the target.
  }

  #upstreamClosed(target: LiveTarget, failed: boolean): void {
    if (!this.#connected) target.refused++
    if (this.#over) this.#release()
    else if (failed && !this.#sent && !this.#received) this.#tryAnother(target)
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
    const buffer = this.#upstreamBuffer
    this.#upstream = null
    this.#upstreamBuffer = null
    this.#client.pause()
    this.#unregister()
    if (upstream !== null && !upstream.closed) upstream.destroy()
    else if (buffer !== null) giveBuffer(buffer)
  }

  /** Both sides are closed: no write of either buffer is left. */
  #release(): void {
    giveBuffer(this.#clientBuffer)
    if (this.#upstreamBuffer !== null) giveBuffer(this.#upstreamBuffer)
    this.#upstreamBuffer = null
    this.#unregister()
  }

  #unregister(): void {
    const target = this.#target
    this.#target = null
    this.#owed = false
    target?.open.delete(this)
    if (target !== null && target.record.state !== 'Active') this.#routing.pool.touched()
  }
}

/** Says the last word to a socket. When the other side has said its own (`heard`) and nothing is unsent, closing it says so in one call less. */
function finish(socket: Socket, heard: boolean): void {
  if (heard && socket.writableLength === 0) socket.destroy()
  else socket.end()
}

/**
 * Writes what was read. True: it is gone and the buffer is free. False: the reader is paused (Node's contract of `onread`) until
 * an empty write behind it is done. No callback and no `drain` on the fast path: each would cost a tick per message.
 */
function forward(from: Socket, to: Socket, size: number, buffer: Uint8Array): boolean {
  to.write(size === buffer.length ? buffer : buffer.subarray(0, size))
  if (to.writableLength === 0) return true
  to.write(NOTHING, () => from.resume())
  return false
}
