import { type Socket, connect, createServer, type Server } from 'node:net'
import { chmodSync, rmSync } from 'node:fs'

/**
 * Requests and answers as JSON lines over a unix socket that only its owner can open (0600): how our own processes talk.
 * Each side says its protocol version first; a mismatch is the caller's to handle (`peerVersion`).
 */
export interface LineClient {
  /** Protocol version of the other side. */
  readonly peerVersion: number
  /** One request, one answer. Rejects with LineFailure when the other side answered an error, with Error when the connection ended. */
  request(message: object, signal: AbortSignal): Promise<unknown>
  /** Called with each message that came without being asked for. */
  onPush(listener: (message: unknown) => void): void
  /** Called once when the connection ended. */
  onClose(listener: () => void): void
  close(): void
}

/** What the other side threw, as plain data. */
export class LineFailure extends Error {
  readonly failure: unknown
  constructor(failure: unknown) {
    super('the other side answered a failure')
    this.name = 'LineFailure'
    this.failure = failure
  }
}

/** The other end of one connection. */
export interface LinePeer {
  push(message: object): void
  onClose(listener: () => void): void
}

/** Carries out one request; its result is the answer. What it throws is turned into plain data by `describeFailure`. */
export type LineHandler = (message: unknown, peer: LinePeer) => Promise<unknown>

/**
 * Listens on `path`. A socket file that a killed process left is replaced; whoever calls holds a lock, so that no live one is.
 */
export async function serveLines(
  path: string,
  version: number,
  handler: LineHandler,
  describeFailure: (thrown: unknown) => unknown,
): Promise<{ close(): Promise<void> }> {
  checkLength(path)
  rmSync(path, { force: true })
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    serveSocket(socket, version, handler, describeFailure)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    const mask = process.umask(0o177)
    server.listen(path, resolve)
    process.umask(mask)
  })
  chmodSync(path, 0o600)
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** Connects to `path` and waits for the other side's version. Rejects when nobody answers within `timeoutMs`. */
export async function connectLines(path: string, version: number, timeoutMs: number): Promise<LineClient> {
  checkLength(path)
  const socket = connect(path)
  const waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (why: unknown) => void }>()
  const pushes: ((message: unknown) => void)[] = []
  const closes: (() => void)[] = []
  let nextId = 1
  let ended = false
  const end = () => {
    if (ended) return
    ended = true
    for (const { reject } of waiting.values()) reject(new Error(`the connection to ${path} ended`))
    waiting.clear()
    for (const listener of closes) listener()
  }
  socket.on('close', end)
  const peerVersion = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`${path} did not answer within ${timeoutMs} ms`))
    }, timeoutMs)
    socket.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    socket.once('close', () => reject(new Error(`the connection to ${path} ended`)))
    readLines(socket, (line) => {
      const message = JSON.parse(line) as {
        version?: number
        id?: number
        ok?: unknown
        failure?: unknown
        push?: unknown
      }
      if (message.version !== undefined) {
        clearTimeout(timer)
        resolve(message.version)
      } else if (message.id === undefined) for (const listener of pushes) listener(message.push)
      else settle(waiting, message.id, message)
    })
    socket.write(`${JSON.stringify({ version })}\n`)
  })
  return {
    peerVersion,
    request(message, signal) {
      signal.throwIfAborted()
      if (ended) return Promise.reject(new Error(`the connection to ${path} ended`))
      const id = nextId++
      return new Promise((resolve, reject) => {
        const abort = () => {
          waiting.delete(id)
          reject(signal.reason)
        }
        const done =
          <T>(settleWith: (value: T) => void) =>
          (value: T) => {
            signal.removeEventListener('abort', abort)
            settleWith(value)
          }
        waiting.set(id, { resolve: done(resolve), reject: done(reject) })
        signal.addEventListener('abort', abort, { once: true })
        socket.write(`${JSON.stringify({ id, message })}\n`)
      })
    },
    onPush: (listener) => pushes.push(listener),
    onClose: (listener) => (ended ? listener() : closes.push(listener)),
    close: () => socket.destroy(),
  }
}

function settle(
  waiting: Map<number, { resolve: (answer: unknown) => void; reject: (why: unknown) => void }>,
  id: number,
  message: { ok?: unknown; failure?: unknown },
): void {
  const caller = waiting.get(id)
  waiting.delete(id)
  if (message.failure === undefined) caller?.resolve(message.ok)
  else caller?.reject(new LineFailure(message.failure))
}

function serveSocket(
  socket: Socket,
  version: number,
  handler: LineHandler,
  describeFailure: (thrown: unknown) => unknown,
) {
  const closes: (() => void)[] = []
  socket.on('close', () => {
    for (const listener of closes) listener()
  })
  const send = (message: object) => {
    if (socket.writable) socket.write(`${JSON.stringify(message)}\n`)
  }
  const peer: LinePeer = { push: (message) => send({ push: message }), onClose: (listener) => closes.push(listener) }
  send({ version })
  readLines(socket, (line) => {
    const { id, message } = JSON.parse(line) as { id?: number; message?: unknown }
    if (id === undefined) return
    handler(message, peer).then(
      (ok) => send({ id, ok: ok ?? null }),
      (thrown: unknown) => send({ id, failure: describeFailure(thrown) }),
    )
  })
}

/** Calls `onLine` with each line; a peer that sends rubbish loses its connection. */
function readLines(socket: Socket, onLine: (line: string) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    try {
      for (const line of lines) onLine(line)
    } catch {
      socket.destroy()
    }
  })
}

/** Unix socket paths have at most 108 bytes with their end (unix(7)); a longer one is cut in silence by some kernels. */
function checkLength(path: string): void {
  if (Buffer.byteLength(path) > 107) throw new Error(`the path of a unix socket is longer than 107 bytes: ${path}`)
}
