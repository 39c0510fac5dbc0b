// One application with all the behaviours that the scenarios need, chosen by MODE. It listens where it is told.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const { MODE = 'good', PORT = '8080', NARU_REVISION = '?', SLOW_MS = '0', OWN = '', SECRET_FILE = '' } = process.env
const version = readFileSync(new URL('version.txt', import.meta.url), 'utf8').trim()
const connections = new Set()
let draining = false
let checks = 0

if (MODE === 'crashes') {
  console.error('cannot reach the database at db:5432')
  process.exit(3)
}

if (MODE === 'leaks') {
  console.error(`Error: cannot log in with ${process.env.TOKEN}`)
  process.exit(3)
}

if (MODE === 'hungry') {
  // Bounded, for a machine that does not hold it to its limit.
  const eaten = []
  for (let megabytes = 0; megabytes < 600; megabytes++) eaten.push(Buffer.alloc(1 << 20, 1))
}

function check(response) {
  checks++
  const failing = MODE === 'answers-500' || (MODE === 'lies' && checks > 4)
  response.statusCode = failing ? 500 : 200
  response.end(failing ? 'not well\n' : 'ok\n')
  if (MODE === 'exits-after-ready' && checks === 4) setTimeout(() => process.exit(4), 50)
}

/** A line every 20 ms for so long. */
function stream(response, ms) {
  const until = Date.now() + ms
  const tick = () => {
    if (response.destroyed) return
    if (Date.now() >= until) return response.end('end\n')
    response.write('line\n')
    setTimeout(tick, 20)
  }
  tick()
}

const server = createServer((request, response) => {
  if (draining) response.setHeader('connection', 'close')
  if (MODE === 'chatty') console.log(`${request.url} ${'.'.repeat(10_000)}`)
  const url = new URL(request.url, 'http://app')
  if (url.pathname === '/healthz') return check(response)
  if (url.pathname === '/stream') return stream(response, Number(url.searchParams.get('ms')))
  if (url.pathname === '/secret') {
    const file = SECRET_FILE === '' ? null : readFileSync(SECRET_FILE, 'utf8')
    return response.end(JSON.stringify({ env: process.env.TOKEN ?? null, file }))
  }
  return response.end(JSON.stringify({ version, revision: NARU_REVISION, setting: process.env.SETTING ?? null }))
})
server.keepAliveTimeout = 75_000
server.on('connection', (socket) => {
  connections.add(socket)
  socket.on('close', () => {
    connections.delete(socket)
    if (draining) setTimeout(endWhenDone, 50)
  })
})

// As a WebSocket is to a router: a connection that is no longer HTTP, and gives back what it gets until it is told to go.
server.on('upgrade', (_request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
  socket.pipe(socket, { end: false })
  process.on('SIGTERM', () => setTimeout(() => socket.end('bye\n'), 500))
})

// Every role gets this program; one without a port of its own only works.
if (MODE === 'worker') setInterval(() => {}, 1000)
else setTimeout(() => server.listen(Number(MODE === 'wrong-port' ? OWN : PORT)), Number(SLOW_MS))

process.on('SIGTERM', () => {
  if (MODE === 'deaf') return
  if (MODE === 'worker') process.exit(0)
  draining = true
  setTimeout(endWhenDone, 50)
  setTimeout(() => server.closeIdleConnections(), 5000)
})

function endWhenDone() {
  if (connections.size === 0) process.exit(0)
}
