import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import net, { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FromRouter, ToRouter } from '../model/router-channel.ts'
import { systemClock } from '../os/system-clock.ts'
import type { Target } from './router.ts'
import { connectRouter, type RouterClient } from './router-client.ts'
import { routerPaths } from './router-process.ts'
import type { SocketsAsked } from './sockets/choose-sockets.ts'

/** Why the kernel path cannot be tested here; null: it can. */
export const kernelPathMissing: string | null =
  process.getuid?.() !== 0
    ? 'needs root'
    : spawnSync('nft', ['list', 'tables'], { env: { PATH: `${process.env.PATH}:/usr/sbin` } }).status !== 0
      ? 'needs nft'
      : null

/** A port that was free a moment ago. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer().listen(0, host)
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Resolves when `condition` holds; rejects after the deadline. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, ms = 15_000): Promise<void> {
  const signal = AbortSignal.timeout(ms)
  while (!(await condition())) {
    if (signal.aborted) throw new Error(`not within ${ms} ms: ${what}`)
    await systemClock.sleep(10, new AbortController().signal)
  }
}

/** A replica as an app should be: it serves on after its stop signal and answers `Connection: close`. */
export interface TestReplica {
  readonly target: Target
  readonly connections: () => number
  /** What an app does at SIGTERM. */
  stop(): void
  close(): Promise<void>
}

export async function startReplica(replica: string, revision: number, host?: string): Promise<TestReplica> {
  let stopping = false
  const sockets = new Set<Socket>()
  const server = createHttpServer((_request, response) => {
    if (stopping) response.setHeader('connection', 'close')
    response.end(JSON.stringify({ replica, revision }))
  })
  server.keepAliveTimeout = 0
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen({ port: 0, host: host ?? '::', backlog: 1024 })
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  return {
    target: { replica, role: 'web', revision, address: { host: '127.0.0.1', port } },
    connections: () => sockets.size,
    stop: () => {
      stopping = true
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** A bare TCP replica, for what HTTP does not show. */
export async function startTcp(replica: string, revision: number, serve: (socket: Socket) => void) {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    serve(socket)
  })
  server.listen(0, '::')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const target: Target = { replica, role: 'web', revision, address: { host: '127.0.0.1', port } }
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  return { target, sockets, close }
}

/** What became of each request: answered by a revision, or lost for a reason. Nothing is left out. */
export interface Ledger {
  sent: number
  readonly answered: Map<number, number>
  readonly lost: string[]
}

/** More than this wait only where the machine is too busy to carry the rate: then it is lower, and what is sent is still counted. */
const MOST_OPEN = 64

/** Requests at a fixed rate: half on new connections, half on kept ones. */
export class Load {
  readonly ledger: Ledger = { sent: 0, answered: new Map(), lost: [] }
  readonly #address: { readonly host: string; readonly port: number }
  readonly #idle: Socket[] = []
  readonly #all = new Set<Socket>()
  readonly #timer: NodeJS.Timeout
  #open = 0

  constructor(address: { readonly host: string; readonly port: number }, perSecond: number) {
    this.#address = address
    const started = performance.now()
    let given = 0
    this.#timer = setInterval(() => {
      const due = ((performance.now() - started) / 1000) * perSecond
      for (; given < due; given++) if (this.#open < MOST_OPEN) this.#send(this.ledger.sent % 2 === 0)
    }, 5)
  }

  get answered(): number {
    return [...this.ledger.answered.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Connections that wait for an answer, or for their next request. */
  get connections(): number {
    return this.#open + this.#idle.length
  }

  /** Sends no more, and waits for what is on its way. */
  async end(): Promise<Ledger> {
    clearInterval(this.#timer)
    await until('every request has ended', () => this.#open === 0)
    for (const socket of this.#all) socket.destroy()
    return this.ledger
  }

  #send(kept: boolean): void {
    this.ledger.sent++
    this.#open++
    // The one that has waited longest: no kept connection may sit on an old replica for ever.
    const idle = kept ? this.#idle.shift() : undefined
    const socket = idle ?? this.#connect()
    exchange(socket, kept).then(
      ({ revision, reusable }) => {
        this.#open--
        this.ledger.answered.set(revision, (this.ledger.answered.get(revision) ?? 0) + 1)
        if (reusable) this.#idle.push(socket)
        else this.#drop(socket)
      },
      (why: Error) => {
        this.#open--
        this.ledger.lost.push(`${idle === undefined ? 'new' : 'kept'}: ${why.message}`)
        this.#drop(socket)
      },
    )
  }

  #connect(): Socket {
    const socket = connect(this.#address)
    this.#all.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => {
      const at = this.#idle.indexOf(socket)
      if (at >= 0) this.#idle.splice(at, 1)
    })
    return socket
  }

  #drop(socket: Socket): void {
    this.#all.delete(socket)
    socket.destroy()
  }
}

/** One request and its whole answer. */
export function exchange(
  socket: Socket,
  kept: boolean,
): Promise<{ revision: number; replica: string; reusable: boolean }> {
  return new Promise((resolve, reject) => {
    let text = ''
    const onData = (chunk: Buffer) => {
      text += chunk.toString('latin1')
      const head = text.indexOf('\r\n\r\n')
      if (head < 0) return
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0)
      if (text.length < head + 4 + length) return
      const { revision, replica } = JSON.parse(text.slice(head + 4)) as { revision: number; replica: string }
      settle(() => resolve({ revision, replica, reusable: kept && !/connection: close/i.test(text.slice(0, head)) }))
    }
    const onError = (error: NodeJS.ErrnoException) => settle(() => reject(new Error(error.code ?? error.message)))
    const onEnd = () => settle(() => reject(new Error(text === '' ? 'closed without an answer' : 'incomplete')))
    const timer = setTimeout(() => settle(() => reject(new Error('timed out'))), 10_000)
    const settle = (then: () => void) => {
      clearTimeout(timer)
      socket.off('data', onData).off('error', onError).off('end', onEnd).off('close', onEnd)
      then()
    }
    socket.on('data', onData).on('error', onError).on('end', onEnd).on('close', onEnd)
    socket.write(`GET / HTTP/1.1\r\nhost: shop\r\n${kept ? '' : 'connection: close\r\n'}\r\n`)
  })
}

/** One request on a connection of its own. */
export async function ask(address: {
  readonly host: string
  readonly port: number
}): Promise<{ revision: number; replica: string; sourcePort: number }> {
  const socket = connect(address)
  let sourcePort = 0
  socket.on('error', () => {})
  socket.once('connect', () => {
    sourcePort = socket.localPort ?? 0
  })
  try {
    return { ...(await exchange(socket, false)), sourcePort }
  } finally {
    socket.destroy()
  }
}

/** What a keeper does for a router: binds its addresses, holds the sockets, starts its successors. */
export class StubKeeper {
  readonly folder: string
  readonly instanceId = randomBytes(4).toString('hex')
  readonly client: RouterClient
  child: ChildProcess
  #closing = false
  readonly #fastPath: 'nftables' | 'none'
  readonly #sockets: SocketsAsked
  readonly #bound = new Map<string, { close(): void }>()

  private constructor(folder: string, fastPath: 'nftables' | 'none', sockets: SocketsAsked) {
    this.folder = folder
    this.#fastPath = fastPath
    this.#sockets = sockets
    this.client = connectRouter({ socket: routerPaths(folder).socket, clock: systemClock, patienceMs: 20_000 })
    this.child = this.start()
  }

  static async open(fastPath: 'nftables' | 'none', sockets: SocketsAsked = 'handles'): Promise<StubKeeper> {
    const keeper = new StubKeeper(await mkdtemp(join(tmpdir(), 'naru-router-')), fastPath, sockets)
    try {
      await keeper.client.who(new AbortController().signal)
      return keeper
    } catch (failed) {
      await keeper.close()
      throw failed
    }
  }

  start(): ChildProcess {
    const entry = fileURLToPath(new URL('./router-main.ts', import.meta.url))
    const child = spawn(process.execPath, [entry, this.folder, this.instanceId, this.#fastPath], {
      stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
      serialization: 'json',
      env: { ...process.env, NARU_ROUTER_SOCKETS: this.#sockets },
    })
    child.on('message', (message: FromRouter) => this.#answer(child, message))
    child.on('exit', () => {
      if (!this.#closing) this.child = this.start()
    })
    return child
  }

  exited(scope: string, replica: string): void {
    this.#say(this.child, { kind: 'exited', scope, replica })
  }

  /** Ends the router and takes everything away. */
  async close(): Promise<void> {
    this.#closing = true
    const gone = new Promise((resolve) => this.child.once('exit', resolve))
    if (this.child.exitCode === null && this.child.signalCode === null) {
      await this.client.shutdown(true, 0, AbortSignal.timeout(10_000)).catch(() => this.child.kill('SIGKILL'))
      await gone
    }
    await this.client.close()
    for (const handle of this.#bound.values()) handle.close()
    await rm(this.folder, { recursive: true, force: true })
  }

  #answer(child: ChildProcess, message: FromRouter): void {
    if (message.kind !== 'bind' && message.kind !== 'unbind') return
    const key = `${message.host} ${message.port}`
    if (message.kind === 'unbind') {
      this.#bound.get(key)?.close()
      this.#bound.delete(key)
      return
    }
    const bound = this.#bound.get(key) ?? bind(message.host, message.port)
    if (typeof bound === 'string') {
      this.#say(child, { ...message, kind: 'listen', error: bound })
      return
    }
    this.#bound.set(key, bound)
    this.#say(child, { ...message, kind: 'listen', error: null }, bound)
  }

  #say(child: ChildProcess, message: ToRouter, handle?: object): void {
    child.send(message, handle as Server | undefined, {}, () => {})
  }
}

/** A socket that is bound and does not listen: node:net makes them for its cluster, its types leave them out. Or the errno's name. */
function bind(host: string, port: number): { close(): void; getsockname(out: object): number } | string {
  const { _createServerHandle: create } = net as unknown as {
    _createServerHandle(
      host: string,
      port: number,
      family: number,
    ): number | { close(): void; getsockname(out: object): number }
  }
  const handle = create(host, port, host.includes(':') ? 6 : 4)
  if (typeof handle === 'number') return 'EADDRINUSE'
  // libuv tells of a taken address only at the next call on the socket.
  if (handle.getsockname({}) === 0) return handle
  handle.close()
  return 'EADDRINUSE'
}
