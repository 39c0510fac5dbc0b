// A web application as Naru likes it: it listens where it is told, says when it is ready, and ends politely.
import { createServer } from 'node:http'

const VERSION = 'v1'
const port = Number(process.env.PORT ?? 8080)
let draining = false

const server = createServer((request, response) => {
  // After the stop signal we go on answering, and ask each client to open its next connection elsewhere: behind an L4 router
  // a kept connection leaves only when the application says so.
  if (draining) response.setHeader('connection', 'close')
  response.setHeader('content-type', 'text/plain; charset=utf-8')
  if (request.url === '/healthz') response.end('ok\n')
  else response.end(`hello from ${VERSION} (revision ${process.env.NARU_REVISION ?? '?'})\n`)
})

server.keepAliveTimeout = 75_000
server.listen(port, () => console.log(`${VERSION} listens on ${port}`))

process.once('SIGTERM', () => {
  console.log('SIGTERM: draining')
  draining = true
  server.close(() => process.exit(0))
  server.closeIdleConnections()
})
