import { connect, type Socket } from 'node:net'

/**
 * A client that is not part of Naru: raw sockets, an open loop, and a ledger in which every request ends as answered or lost.
 * `node client.ts HOST PORT RATE [PATH]`: half of the requests on new connections, half on kept ones. SIGTERM ends it: what is
 * under way is waited for, and one line of JSON sums up. It retries nothing.
 */
const [host = '127.0.0.1', portText = '8080', rateText = '100', path = '/'] = process.argv.slice(2)
const port = Number(portText)
const rate = Number(rateText)
const TIMEOUT_MS = 10_000
/** A kept connection that was idle for so long is closed by us, as clients do: a server that ends one meets no request on its way. */
const IDLE_MS = 1000
const HEAD = `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nUser-Agent: load\r\n`
const KEPT = Buffer.from(`${HEAD}\r\n`)
const CLOSING = Buffer.from(`${HEAD}Connection: close\r\n\r\n`)

interface Kept {
  readonly socket: Socket
  serve: Request | null
  idleSinceMs: number
}
interface Request {
  readonly sentMs: number
  text: string
  done: boolean
}

const lost: Record<string, number> = {}
const bodies: Record<string, number> = {}
const free: Kept[] = []
let answered = 0
let sent = 0
let sentOnNew = 0
let underWay = 0
let stopping = false
let slowestMs = 0
const firstLost: string[] = []

process.on('SIGTERM', () => {
  stopping = true
  endWhenDone()
})
const startedMs = performance.now()
tick()

function tick(): void {
  if (stopping) return
  closeIdle()
  const due = Math.floor(((performance.now() - startedMs) / 1000) * rate)
  while (sent < due) send(sent++ % 2 === 0)
  setTimeout(tick, 1)
}

/** The one that was used last is used next, so the first one is idle for longest. */
function closeIdle(): void {
  const before = performance.now() - IDLE_MS
  while (free[0] !== undefined && free[0].idleSinceMs < before) free.shift()?.socket.end()
}

function send(onNew: boolean): void {
  underWay++
  const request: Request = { sentMs: performance.now(), text: '', done: false }
  const timer = setTimeout(() => lose(request, 'timeout'), TIMEOUT_MS)
  // In turn: each kept connection carries many requests, on every side of every switch.
  const kept = onNew ? undefined : free.shift()
  // A kept one that has to be opened first is a new one as well.
  if (kept === undefined) sentOnNew++
  const connection = kept ?? open(!onNew)
  connection.serve = request
  connection.socket.write(onNew ? CLOSING : KEPT)
  finish.set(request, () => {
    clearTimeout(timer)
    finish.delete(request)
    underWay--
    if (stopping) endWhenDone()
  })
}

const finish = new Map<Request, () => void>()

function open(keep: boolean): Kept {
  const socket = connect({ host, port, noDelay: true })
  const connection: Kept = { socket, serve: null, idleSinceMs: 0 }
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => read(connection, chunk, keep))
  socket.on('error', (failed: NodeJS.ErrnoException) =>
    over(connection, failed.code === 'ECONNREFUSED' ? 'refused' : 'reset'),
  )
  socket.on('close', () => over(connection, 'incomplete'))
  return connection
}

function over(connection: Kept, why: string): void {
  const index = free.indexOf(connection)
  if (index >= 0) free.splice(index, 1)
  if (connection.serve !== null)
    lose(connection.serve, connection.serve.text === '' ? (why === 'incomplete' ? 'closed' : why) : 'incomplete')
  connection.serve = null
  connection.socket.destroy()
}

function read(connection: Kept, chunk: string, keep: boolean): void {
  const request = connection.serve
  if (request === null) return
  request.text += chunk
  const end = request.text.indexOf('\r\n\r\n')
  if (end < 0) return
  const head = request.text.slice(0, end).toLowerCase()
  const length = Number(/content-length: (\d+)/.exec(head)?.[1] ?? Number.NaN)
  if (Number.isNaN(length) || request.text.length < end + 4 + length) return
  connection.serve = null
  const status = Number(head.slice(9, 12))
  if (status >= 500) lose(request, `status ${status}`)
  else answer(request, request.text.slice(end + 4).trim())
  connection.idleSinceMs = performance.now()
  if (keep && !head.includes('connection: close')) free.push(connection)
  else connection.socket.end()
}

function answer(request: Request, body: string): void {
  if (request.done) return
  request.done = true
  answered++
  bodies[body] = (bodies[body] ?? 0) + 1
  slowestMs = Math.max(slowestMs, performance.now() - request.sentMs)
  finish.get(request)?.()
}

function lose(request: Request, why: string): void {
  if (request.done) return
  request.done = true
  lost[why] = (lost[why] ?? 0) + 1
  if (firstLost.length < 20) firstLost.push(`${new Date().toISOString()} ${why}`)
  finish.get(request)?.()
}

function endWhenDone(): void {
  if (underWay > 0) return
  const lostCount = Object.values(lost).reduce((sum, count) => sum + count, 0)
  const seconds = (performance.now() - startedMs) / 1000
  const summary = {
    sent,
    sentOnNew,
    answered,
    lost: lostCount,
    lostBy: lost,
    firstLost,
    bodies,
    slowestMs: Math.round(slowestMs),
    seconds: Math.round(seconds * 10) / 10,
  }
  process.stdout.write(`${JSON.stringify(summary)}\n`, () => process.exit(0))
}
