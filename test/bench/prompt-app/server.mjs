// An application that starts and ends as fast as it can, and tells when it did what: a line of JSON for each, times in ms of the wall clock.
import { createServer } from 'node:http'

const tell = (at, ms) => console.log(JSON.stringify({ at, ms }))
const now = () => performance.timeOrigin + performance.now()
const version = 'v1'

const server = createServer((_request, response) => {
  if (ending) response.setHeader('connection', 'close')
  response.end(`${version}\n`)
})
let ending = false

server.listen(Number(process.env.PORT ?? 8080), () => {
  tell('began', performance.timeOrigin)
  tell('listening', now())
})

process.once('SIGTERM', () => {
  tell('told', now())
  ending = true
  server.getConnections((_failed, open) => {
    if (open === 0) end()
    else server.close(end).closeIdleConnections()
  })
})

function end() {
  tell('ended', now())
  process.exit(0)
}
