import type { Socket } from 'node:net'
import type { RelaySocket, RemoteEnd, SocketOwner } from './relay-socket.ts'

const NOTHING = Buffer.alloc(0)

/** A socket of `node:net`, by its public API alone: for a Node whose handles cannot be used. */
export class NetSocket implements RelaySocket {
  heard = false
  ending = false
  readonly #socket: Socket

  /** Of a socket that nobody has read from. */
  constructor(socket: Socket, owner: SocketOwner) {
    this.#socket = socket
    socket.allowHalfOpen = true
    socket.pause()
    socket.on('connect', () => owner.connected(this))
    socket.on('data', (bytes) => owner.took(this, bytes))
    socket.on('end', () => {
      this.heard = true
      owner.ended(this)
    })
    socket.on('error', ignore)
    socket.on('close', (failed) => owner.closed(this, failed))
  }

  get connecting(): boolean {
    return this.#socket.connecting
  }

  get closed(): boolean {
    return this.#socket.destroyed
  }

  get unsent(): boolean {
    return this.#socket.writableLength > 0
  }

  get localPort(): number | null {
    return this.#socket.localPort ?? null
  }

  remote(): RemoteEnd | null {
    const { remoteAddress: address, remotePort: port } = this.#socket
    return address === undefined || port === undefined ? null : { address, port }
  }

  start(): void {
    this.#socket.resume()
  }

  stop(): void {
    this.#socket.pause()
  }

  write(bytes: Uint8Array, from: RelaySocket): void {
    if (this.closed || this.ending) return
    this.#socket.write(bytes)
    if (!this.unsent) return
    from.hold()
    this.#socket.write(NOTHING, () => from.release())
  }

  hold(): void {
    this.stop()
  }

  release(): void {
    this.start()
  }

  end(): void {
    if (this.closed || this.ending) return
    this.ending = true
    if (this.heard && !this.unsent) this.#socket.destroy()
    else this.#socket.end()
  }

  sendAtOnce(): void {
    this.#socket.setNoDelay(true)
  }

  keepAlive(seconds: number): void {
    this.#socket.setKeepAlive(true, seconds * 1000)
  }

  close(): void {
    this.#socket.destroy()
  }

  fail(): void {
    this.#socket.destroy(new Error('given up'))
  }

  reset(): void {
    // A reset of one that still connects waits for that; one of a socket whose last word is on its way fails, and then it is never closed.
    if (this.connecting || (this.ending && !this.#socket.writableFinished)) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }
}

function ignore(): void {
  // `close` says it.
}
