// A web application as Naru likes it: it listens where it is told, says when it is ready, and ends politely.
import { createServer } from 'node:http'

const VERSION = 'v1'
const port = Number(process.env.PORT ?? 8080)
const connections = new Set()
let draining = false

const server = createServer((request, response) => {
  // After the stop signal we go on answering, and ask each client to open its next connection elsewhere: behind an L4 router
  // a kept connection leaves only when the application says so. Closing the listener or idle connections instead loses requests.
  if (draining) response.setHeader('connection', 'close')
  response.setHeader('content-type', 'text/plain; charset=utf-8')
  if (request.url === '/healthz') response.end('ok\n')
  else response.end(`hello from ${VERSION} (revision ${process.env.NARU_REVISION ?? '?'})\n`)
})

server.keepAliveTimeout = 75_000
server.on('connection', (socket) => {
  connections.add(socket)
  socket.on('close', () => {
    connections.delete(socket)
    if (draining) setTimeout(endWhenDone, 50)
  })
})
server.listen(port, () => console.log(`${VERSION} listens on ${port}`))

process.once('SIGTERM', () => {
  console.log(`SIGTERM: ${connections.size} connections to finish`)
  // A connection may be on its way to us in the kernel's queue: look for it before we may end.
  draining = true
  setTimeout(endWhenDone, 50)
  // Who has been silent for long is let go before the grace period ends.
  setTimeout(() => server.closeIdleConnections(), 5_000)
})

function endWhenDone() {
  if (connections.size === 0) process.exit(0)
}
