import type { Server, ServerResponse } from 'node:http'

/**
 * Takes no more connections, lets the requests in progress end for up to `graceMs`, and cuts what is left then. A connection that
 * is kept open is closed as soon as its answer is out.
 */
export function endServer(server: Server, graceMs: number): Promise<void> {
  server.prependListener('request', (_request, response: ServerResponse) => response.setHeader('Connection', 'close'))
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs)
    // Nothing tells that a connection has become idle.
    const idle = setInterval(() => server.closeIdleConnections(), IDLE_MS)
    server.close(() => {
      clearTimeout(cut)
      clearInterval(idle)
      resolve()
    })
    server.closeIdleConnections()
  })
}

const IDLE_MS = 50
