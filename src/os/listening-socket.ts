import { createServer, isIPv6, type Server } from 'node:net'
import * as net from 'node:net'
import { getSystemErrorName } from 'node:util'

/** A bound socket that can be given to a child process. Its holder never accepts on it. */
export interface ListeningSocket {
  /** What travels as the handle of `child.send(message, handle)`; the other side gives it to `server.listen(handle)`. */
  readonly handle: object
  readonly port: number
  close(): void
}

interface BoundHandle {
  getsockname(into: { port?: number }): number
  close(): void
}

/**
 * Node's public interface knows only sockets that the holder itself accepts on. This is what node:cluster binds its shared
 * handles with; it is the one place that uses it.
 */
const createServerHandle = (
  net as unknown as {
    _createServerHandle(address: string, port: number, family: 4 | 6, fd: number): BoundHandle | number
  }
)._createServerHandle

/**
 * Binds an address without accepting on it, so that the kernel socket outlives the process that accepts: as long as the
 * holder lives, connections wait in the backlog. Rejects with an Error whose `code` is EADDRINUSE, EACCES, EADDRNOTAVAIL …
 */
export async function bindSocket(host: string, port: number): Promise<ListeningSocket> {
  // libuv tells EADDRINUSE of a bind only at listen, which a mere holder never calls: so listen once and close (measured: < 1 ms).
  if (port !== 0) await listenOnce(host, port)
  const handle = createServerHandle(host, port, isIPv6(host) ? 6 : 4, -1)
  if (typeof handle === 'number') {
    const code = getSystemErrorName(handle)
    throw Object.assign(new Error(`${host}:${port} could not be bound: ${code}`), { code })
  }
  const name: { port?: number } = {}
  handle.getsockname(name)
  return socketOf(handle, name.port ?? port)
}

/** A socket that came as a handle from its former holder, to be held on. */
export function socketOf(handle: object, port: number): ListeningSocket {
  return { handle, port, close: () => (handle as BoundHandle).close() }
}

/** Accepts on a socket that came as a handle from its holder. */
export function listenOnSocket(server: Server, handle: object): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(handle, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/**
 * Whether a program could listen on this port now, whatever addresses it takes: one that listens on any of them, or an outgoing connection that
 * holds the port, is in its way. The kernel answers at once; its socket table, which would tell as well, is read in 100 ms where there
 * are 100,000 closed connections. Those that are closed do not count.
 */
export async function canListen(port: number): Promise<boolean> {
  for (const host of ['::', '0.0.0.0']) {
    try {
      await listenOnce(host, port)
      return true
    } catch (failed) {
      // A machine without IPv6 says so, and is asked for IPv4.
      if (!NO_FAMILY.has((failed as NodeJS.ErrnoException).code ?? '')) return false
    }
  }
  return false
}

const NO_FAMILY = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL'])

function listenOnce(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', reject)
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()))
  })
}
