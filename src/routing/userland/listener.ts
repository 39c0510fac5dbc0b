import { createServer, Server } from 'node:net'
import type { PublishedRoute } from '../../model/step.ts'
import type { AcceptedHandle } from './connection.ts'
import type { BoundSocket } from './keeper-link.ts'

/** As many as the kernel allows (it cuts it at net.core.somaxconn): they wait here while the router restarts. */
const BACKLOG = 4096

/** The part of a listening handle that node:net itself uses; its types leave it out. */
export interface ListeningHandle {
  onconnection: (status: number, handle: AcceptedHandle | undefined) => void
}

/**
 * Listens on the address and hands each accepted handle on. It takes the place of the handler of node:net, because a socket that
 * node:net makes cannot have a read buffer of one's own. Rejects with the system's error (EADDRINUSE …).
 */
export async function listen(
  address: PublishedRoute['listen'],
  bound: BoundSocket,
  accept: (handle: AcceptedHandle) => void,
): Promise<Server> {
  const server = bound?.handle instanceof Server ? bound.handle : createServer()
  if (server !== bound?.handle) {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.once('listening', () => resolve())
      if (bound === null) server.listen({ host: address.host, port: address.port, backlog: BACKLOG })
      else server.listen(bound.handle, BACKLOG)
    })
    server.removeAllListeners('error')
  }
  handleOf(server).onconnection = (status, accepted) => {
    // Out of file descriptors and the like: the connection stays in the kernel's queue or is gone; there is nobody to tell.
    if (status === 0 && accepted !== undefined) accept(accepted)
  }
  return server
}

/** What listens in it. */
export const handleOf = (server: Server): ListeningHandle =>
  (server as unknown as { readonly _handle: ListeningHandle })._handle
