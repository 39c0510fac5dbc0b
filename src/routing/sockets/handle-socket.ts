import { END_OF_FILE, type HandleRequest, type InternalHandles, type TcpHandle } from '../../os/internal-handles.ts'
import { giveBuffer, takeBuffer } from './read-buffers.ts'
import type { RelaySocket, RemoteEnd, SocketOwner } from './relay-socket.ts'

/** A write that the kernel took at once never began for Node: its request serves the next one, of any socket. */
let unusedRequest: HandleRequest | null = null

/**
 * A socket on Node's own handle, without streams and events. What the rules of handles ask for (docs/decisions/0016): nothing is called
 * on one that is closed, no reset while a shutdown is under way, every buffer is kept here while the kernel may use it.
 */
export class HandleSocket implements RelaySocket {
  connecting = false
  closed = false
  heard = false
  ending = false
  unsent = false
  readonly #node: InternalHandles
  readonly #handle: TcpHandle
  readonly #owner: SocketOwner
  #buffer: Buffer | null = null
  /** A write from the buffer is under way. */
  #isLent = false
  #isReading = false
  #isShutting = false
  #sendsAtOnce = false

  constructor(node: InternalHandles, handle: TcpHandle, owner: SocketOwner) {
    this.#node = node
    this.#handle = handle
    this.#owner = owner
    handle.onread = () => this.#onRead()
  }

  static connect(
    node: InternalHandles,
    { host, port }: { readonly host: string; readonly port: number },
    owner: SocketOwner,
  ): HandleSocket {
    const handle = new node.Tcp(node.socketKind)
    const socket = new HandleSocket(node, handle, owner)
    socket.connecting = true
    const request = new node.ConnectRequest()
    request.oncomplete = (status) => socket.#onConnect(status)
    const error = host.includes(':') ? handle.connect6(request, host, port) : handle.connect(request, host, port)
    if (error !== 0) setImmediate(() => socket.fail())
    return socket
  }

  get localPort(): number | null {
    const own = { port: 0 }
    return !this.closed && this.#handle.getsockname(own) === 0 ? own.port : null
  }

  remote(): RemoteEnd | null {
    // Node sets these: properties that are there already cost less.
    const end = { address: '', family: '', port: 0 }
    return !this.closed && this.#handle.getpeername(end) === 0 ? end : null
  }

  start(): void {
    if (this.closed || this.heard || this.#isReading) return
    if (this.#buffer === null) {
      this.#buffer = takeBuffer()
      this.#handle.useUserBuffer(this.#buffer)
    }
    this.#isReading = true
    if (this.#handle.readStart() !== 0) this.fail()
  }

  stop(): void {
    if (this.closed || !this.#isReading) return
    this.#isReading = false
    this.#handle.readStop()
  }

  write(bytes: Uint8Array, from: RelaySocket): void {
    if (this.closed || this.ending) return
    const request = unusedRequest ?? new this.#node.WriteRequest()
    unusedRequest = null
    if (this.#handle.writeBuffer(request, bytes) !== 0) this.fail()
    else if (this.#node.state[this.#node.lastWriteWasAsync] === 0) unusedRequest = request
    else {
      this.unsent = true
      from.hold()
      request.oncomplete = (status) => this.#onWritten(status, from)
    }
  }

  hold(): void {
    this.#isLent = true
    this.stop()
  }

  release(): void {
    this.#isLent = false
    if (this.closed) this.#giveBuffer()
    else this.start()
  }

  end(): void {
    if (this.closed || this.ending) return
    this.ending = true
    // Both have said their last word: closing says ours in one call less.
    if (this.heard && !this.unsent) this.close()
    else this.#shutDown()
  }

  sendAtOnce(): void {
    if (this.closed || this.#sendsAtOnce) return
    this.#sendsAtOnce = true
    this.#handle.setNoDelay(true)
  }

  keepAlive(seconds: number): void {
    if (!this.closed) this.#handle.setKeepAlive(true, seconds)
  }

  close(): void {
    this.#close(false, false)
  }

  fail(): void {
    this.#close(false, true)
  }

  reset(): void {
    this.#close(!this.connecting && !this.#isShutting, false)
  }

  #close(withReset: boolean, failed: boolean): void {
    if (this.closed) return
    this.closed = true
    this.connecting = false
    // From here on the handle neither reads nor writes, whatever is under way.
    if (withReset) this.#handle.reset()
    else this.#handle.close()
    if (!this.#isLent) this.#giveBuffer()
    this.#owner.closed(this, failed)
  }

  #giveBuffer(): void {
    if (this.#buffer !== null) giveBuffer(this.#buffer)
    this.#buffer = null
  }

  #shutDown(): void {
    const request = new this.#node.ShutdownRequest()
    request.oncomplete = () => {
      this.#isShutting = false
    }
    // An error means that the connection is gone: reading or writing tells of it.
    this.#isShutting = this.#handle.shutdown(request) === 0
  }

  #onConnect(status: number): void {
    if (this.closed) return
    this.connecting = false
    if (status === 0) this.#owner.connected(this)
    else this.fail()
  }

  #onRead(): void {
    const buffer = this.#buffer
    if (this.closed || buffer === null) return
    const size = this.#node.state[this.#node.readBytesOrError] ?? 0
    if (size > 0) this.#owner.took(this, size === buffer.length ? buffer : buffer.subarray(0, size))
    else if (size === END_OF_FILE) this.#onEnd()
    else if (size < 0) this.fail()
  }

  #onEnd(): void {
    this.heard = true
    this.#owner.ended(this)
    if (this.ending && !this.unsent) this.close()
  }

  #onWritten(status: number, from: RelaySocket): void {
    this.unsent = false
    if (status !== 0) this.fail()
    else if (this.ending && this.heard) this.close()
    from.release()
  }
}
