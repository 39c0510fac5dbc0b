import { createServer, Server } from 'node:net'
import type { PublishedRoute } from '../../model/step.ts'
import type { BoundSocket } from './keeper-link.ts'

/** As many as the kernel allows (it cuts it at net.core.somaxconn): they wait here while the router restarts. */
const BACKLOG = 4096

/** Listens on the address. Rejects with the system's error (EADDRINUSE …). */
export async function listen(address: PublishedRoute['listen'], bound: BoundSocket): Promise<Server> {
  if (bound?.handle instanceof Server) return bound.handle
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => resolve())
    if (bound === null) server.listen({ host: address.host, port: address.port, backlog: BACKLOG })
    else server.listen(bound.handle, BACKLOG)
  })
  server.removeAllListeners('error')
  return server
}
