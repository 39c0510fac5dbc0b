import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { InternalHandles } from '../../os/internal-handles.ts'
import type { Framing, Part } from './framing.ts'
import { type HttpConnection, httpConnection } from './http-connection.ts'
import { brokenOff, type Sink } from './inflow.ts'

/** The most that is read of a body before the rest goes straight to where it belongs. */
const FIRST_BYTES = 64 * 1024
/**
 * Clients hash or compress while they send: what they send is there in small parts, and to be woken for each costs as much as its bytes do. After
 * less than this nothing is read for a moment, in which the kernel takes what comes. Longer moments save more, but the kernel tells of what came
 * when it is read, and some senders wait for that (docs/benchmarks.md).
 */
const LITTLE = 64 * 1024
const MOMENT_MS = 1
/** Bodies of no more than this are over before that pays. */
const SHORT = 1024 * 1024

/**
 * What is of no body is read into it, on all connections: it is with Node's parser before the next read of any of them. Never freed, as
 * Node's handles keep no memory alive.
 */
const SHARED = Buffer.allocUnsafeSlow(FIRST_BYTES)
const NOTHING = Buffer.alloc(0)

const taps = new WeakMap<Socket, Tap>()

interface Body {
  readonly request: IncomingMessage
  readonly framing: Framing
  readonly sink: Sink
  readonly end: (failed?: unknown) => void
  /** The rest is read and thrown away. */
  hasFailed: boolean
  /** How many bytes of it and its framing were read here. */
  came: number
}

/**
 * Reads the bodies of a connection to where they belong, where Node would copy each 64 KiB of them twice and make an event of it.
 * Node's parser sees the same bytes and tells nobody of them: it judges how they are framed and knows where the next request
 * begins, so that requests end, connections go on and break off as they do otherwise (docs/decisions/0019).
 */
export class Tap {
  readonly #node: InternalHandles
  readonly #socket: Socket
  readonly #at: HttpConnection
  /** Where the next read goes. */
  #into: Buffer = SHARED
  #body: Body | null = null
  #isOpen = false
  #heldAt = 0
  #moment: NodeJS.Timeout | undefined

  private constructor(node: InternalHandles, socket: Socket, at: HttpConnection) {
    this.#node = node
    this.#socket = socket
    this.#at = at
  }

  /** The tap of a connection; null: it can have none. */
  static of(socket: Socket, node: InternalHandles): Tap | null {
    const had = taps.get(socket)
    if (had !== undefined) return had
    const at = httpConnection(socket, node)
    if (at === null) return null
    const tap = new Tap(node, socket, at)
    taps.set(socket, tap)
    return tap
  }

  /** What Node's parser has before it: while it tells of something. */
  get current(): Buffer {
    return this.#at.parser.getCurrentBuffer()
  }

  /** Reads no more, until somebody reads the request or its body is taken. */
  hold(): void {
    this.#heldAt = this.#socket.bytesRead
    this.#socket.pause()
    this.#stop()
  }

  /** Whether the rest of the body that is held can be taken with such a sink. */
  canTake({ isBusy, space }: Sink): boolean {
    const stoodStill = this.#socket.bytesRead === this.#heldAt && !this.#socket.destroyed
    return stoodStill && this.#body === null && !isBusy && space.length >= FIRST_BYTES
  }

  /** Gives the rest of the body that is held to a sink. Rejects when it breaks off, and as the sink does: what is left then is thrown away. */
  take(request: IncomingMessage, framing: Framing, sink: Sink): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (failed?: unknown) => {
        request.off('close', onClose)
        if (failed === undefined) resolve()
        else reject(failed)
      }
      const body = { request, framing, sink, end, hasFailed: false, came: 0 }
      const onClose = () => this.#fail(body, request.errored ?? brokenOff())
      // Its failure is told by the rejection.
      request.once('close', onClose).on('error', () => {})
      this.#body = body
      this.#open()
      this.#start()
    })
  }

  #open(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    const { handle } = this.#at
    const tell = handle.onread
    handle.useUserBuffer(SHARED)
    handle.onread = () => this.#onRead(tell)
  }

  #start(): void {
    clearTimeout(this.#moment)
    if (this.#socket.destroyed) return
    this.#at.handle.reading = true
    this.#at.handle.readStart()
  }

  #stop(): void {
    if (this.#socket.destroyed) return
    this.#at.handle.reading = false
    this.#at.handle.readStop()
  }

  /** Answers where the next read goes. */
  #onRead(tell: () => unknown): Buffer | undefined {
    const size = this.#node.state[this.#node.readBytesOrError] ?? 0
    // The end, or an error: Node's to tell.
    if (size < 0) tell.call(this.#at.handle)
    if (size <= 0) return undefined
    // Something moves.
    this.#socket.setTimeout(this.#socket.timeout ?? 0)
    const bytes = this.#into.subarray(0, size)
    if (this.#body === null) this.#socket.emit('data', bytes)
    else this.#read(this.#body, bytes)
    this.#into = this.#body === null || this.#body.hasFailed ? SHARED : this.#body.sink.space
    return this.#into
  }

  #read(body: Body, bytes: Buffer): void {
    const { parts, used } = body.framing.split(bytes)
    this.#judge(bytes.subarray(0, used))
    if (this.#socket.destroyed) return
    const { ended } = body.framing
    if (ended !== body.request.complete) {
      // It is never so: two readings of one connection are what attacks are made of.
      this.#socket.destroy(new Error('the body was framed in two ways'))
      return
    }
    // What follows may lie where the parts are put.
    const next = used < bytes.length ? Buffer.from(bytes.subarray(used)) : NOTHING
    this.#give(body, bytes, parts)
    if (ended) {
      this.#body = null
      body.end()
      if (next.length > 0) this.#socket.emit('data', next)
    } else this.#pace(body, used)
  }

  /** Lets Node's parser see a part of a body without telling of it. It breaks the connection off where that is none. */
  #judge(bytes: Uint8Array): void {
    const { parser, onBody } = this.#at
    const told = parser[onBody]
    parser[onBody] = null
    try {
      this.#socket.emit('data', bytes)
    } finally {
      parser[onBody] = told
    }
  }

  #give(body: Body, bytes: Buffer, parts: readonly Part[]): void {
    if (body.hasFailed) return
    try {
      put(body.sink, bytes, parts)
    } catch (failed) {
      this.#fail(body, failed)
    }
  }

  /** Reads no more while the sink is busy, nor for a moment when little came. */
  #pace(body: Body, bytes: number): void {
    body.came += bytes
    if (body.hasFailed) return
    if (body.sink.isBusy) {
      this.#stop()
      body.sink.settled().then(
        () => this.#start(),
        (failed) => this.#fail(body, failed),
      )
    } else if (bytes < LITTLE && body.came > SHORT) {
      this.#stop()
      this.#moment = setTimeout(() => this.#start(), MOMENT_MS)
    }
  }

  #fail(body: Body, failed: unknown): void {
    body.hasFailed = true
    body.end(failed)
    if (this.#socket.destroyed) return
    // The sink's memory is somebody else's from now on.
    this.#into = SHARED
    this.#at.handle.useUserBuffer(SHARED)
    this.#start()
  }
}

/** Puts the parts of some bytes one after the other. What lies where it belongs is not copied. */
function put(sink: Sink, bytes: Buffer, parts: readonly Part[]): void {
  const { space } = sink
  const isThere = bytes.buffer === space.buffer && bytes.byteOffset === space.byteOffset
  let size = 0
  for (const part of parts) {
    if (!isThere || part.at !== size) bytes.copy(space, size, part.at, part.at + part.size)
    size += part.size
  }
  if (size > 0) sink.took(size)
}
