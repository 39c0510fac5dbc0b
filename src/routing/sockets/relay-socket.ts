import type { Server } from 'node:net'

/** A connection as its two sockets tell of themselves. Nothing is told before the call that made the socket has returned. */
export interface SocketOwner {
  connected(socket: RelaySocket): void
  /** Bytes came. They are the socket's own buffer: written in this turn (`write`), or lost. */
  took(socket: RelaySocket, bytes: Uint8Array): void
  /** The other side has said its last word. */
  ended(socket: RelaySocket): void
  /** Told once, in the midst of the call that closed it or later. `failed`: by an error of the system, or `fail`. */
  closed(socket: RelaySocket, failed: boolean): void
}

/**
 * One TCP connection, as a router at L4 uses it: half-open allowed, closed by itself when both sides have said their last word. Each has one
 * buffer to read into, which is its own until nothing reads into it or writes from it.
 */
export interface RelaySocket {
  /** The way to the other side is being made. */
  readonly connecting: boolean
  readonly closed: boolean
  /** The other side's last word was read. */
  readonly heard: boolean
  /** `end` was called. */
  readonly ending: boolean
  /** Something written to it waits for the kernel. */
  readonly unsent: boolean
  /** Our port of the connection; null: it is closed, or not connected. */
  readonly localPort: number | null
  /** Who is at the other end; null: it is gone. */
  remote(): RemoteEnd | null
  /** Begins to read, or goes on after `stop`. */
  start(): void
  /** Reads no more, until `start`. What was sent meanwhile waits in the kernel. */
  stop(): void
  /**
   * Writes what `from` has just read. Unless the kernel takes all of it at once, `from` reads nothing more until it has: a slow reader holds its
   * sender back, with no more memory than one buffer.
   */
  write(bytes: Uint8Array, from: RelaySocket): void
  /** For `write` of another: keeps the buffer and stops reading, until `release`. */
  hold(): void
  release(): void
  /** Says the last word behind all that was written. What the other side sends is still read. */
  end(): void
  /** Sends small pieces at once from now on (no Nagle). */
  sendAtOnce(): void
  /** Has the kernel ask after so much silence whether the other side is still there. */
  keepAlive(seconds: number): void
  /** Closes without regard to what is unsent. */
  close(): void
  /** Gives it up: closes it as failed. */
  fail(): void
  /** Closes it so that the other side sees a reset. One whose last word is on its way is closed by that. */
  reset(): void
}

export interface RemoteEnd {
  readonly address: string
  readonly port: number
}

/** An accepted connection gets its owner, and becomes a socket that is not read yet. */
export type Taken = (owner: SocketOwner) => RelaySocket

/** A way to make sockets. */
export interface Sockets {
  readonly name: 'handles' | 'net'
  /** From now on each connection that the server accepts goes to `taken`. */
  serve(server: Server, taken: (take: Taken) => void): void
  /** Connects to an IP address; a failure is told as `closed`. `start` has it read once it is connected. */
  connect(address: { readonly host: string; readonly port: number }, owner: SocketOwner): RelaySocket
}
