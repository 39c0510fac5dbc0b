import { rmSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import type { Clock } from '../../../lib/clock.ts'
import type { Scope } from '../../../model/app.ts'
import { failureReport } from '../../../model/failure.ts'
import { instanceId } from '../../../os/instance-id.ts'
import { logLine } from '../../../os/log-line.ts'
import { type LinePeer, serveLines } from '../../../os/line-socket.ts'
import { systemClock } from '../../../os/system-clock.ts'
import { ASSIGNED_PORTS, type PortRange } from './assigned-ports.ts'
import { handOver, type Inheritance, startSuccessor, takeOver } from './handover.ts'
import { Keeper } from './keeper.ts'
import type { Surroundings } from './surroundings.ts'
import { Ledger } from './ledger.ts'
import { enterOwnCgroup } from './process/own-cgroup.ts'
import { KEEPER_PROTOCOL, type KeeperRequest, type KeeperStatus } from './protocol.ts'
import { RouterProcess } from './router-process.ts'
import { startedByRouter } from './started-by-router.ts'

export interface KeeperOptions {
  /** The data folder: absolute, and short (a unix socket's path has 107 bytes). */
  readonly folder: string
  /** Program and arguments of the router; null: none is kept. */
  readonly routerCommand: readonly string[] | null
  readonly ports?: PortRange
  /** Ends by itself after this long without replicas, routes and clients. Default 60 s; Infinity: never. */
  readonly idleMs?: number
  readonly clock?: Clock
}

const DEFAULT_IDLE_MS = 60_000
const LOG_CHECK_MS = 1000

/** Where servers find the keeper of a data folder. */
export const keeperSocket = (folder: string): string => join(folder, 'keeper.sock')

/**
 * One tiny process per data folder: parent of its replicas and of the router, holder of the listening sockets. Resolves when it
 * has nothing left to keep, was told to shut down, got SIGTERM (then replicas and router go on, and the next keeper adopts them), or
 * when a router that goes on has started the keeper in its place. `false`: another keeper holds the folder.
 */
export async function runKeeper(options: KeeperOptions): Promise<boolean> {
  const { folder } = options
  // A predecessor that hands over lets go of the lock first.
  const inheritance = await takeOver(process)
  const ledger = Ledger.open(join(folder, 'keeper'))
  if (ledger === null) return false
  if (inheritance === null && (await startedByRouter(ledger, folder, complain))) return true
  const id = await instanceId(folder)
  const leaveCgroup = enterOwnCgroup(id)
  const end = Promise.withResolvers<void>()
  const running = new RunningKeeper(options, id, ledger, end.resolve)
  for (const ignored of ['SIGINT', 'SIGHUP'] as const) process.on(ignored, () => {})
  process.once('SIGTERM', () => end.resolve())
  await running.begin(inheritance)
  flushCompileCache()
  await end.promise
  await running.end()
  ledger.close()
  leaveCgroup()
  return true
}

class RunningKeeper {
  readonly #options: KeeperOptions
  readonly #clock: Clock
  readonly #ledger: Ledger
  readonly #keeper: Keeper
  readonly #router: RouterProcess | null
  readonly #peers = new Set<LinePeer>()
  readonly #ending = new AbortController()
  readonly #finish: () => void
  readonly #startedAtMs: number
  #idleSince: number
  #server: { close(): Promise<void> } | null = null
  #timer: NodeJS.Timeout | undefined

  constructor(options: KeeperOptions, instanceId: string, ledger: Ledger, finish: () => void) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#finish = finish
    this.#ledger = ledger
    this.#startedAtMs = this.#clock.now()
    this.#idleSince = this.#clock.monotonic()
    const around: Surroundings = {
      folder: options.folder,
      ledger,
      clock: this.#clock,
      changed: (scope) => this.#tell(scope),
      exited: (scope, replica) => this.#router?.exited(scope, replica),
      complain,
      signal: this.#ending.signal,
    }
    this.#keeper = new Keeper(around, options.ports ?? ASSIGNED_PORTS, instanceId)
    this.#router = options.routerCommand === null ? null : new RouterProcess(options.routerCommand, around)
  }

  async begin(inheritance: Inheritance | null): Promise<void> {
    await this.#router?.begin(inheritance)
    await this.#keeper.adopt(inheritance?.secrets ?? [])
    this.#server = await serveLines(
      keeperSocket(this.#options.folder),
      KEEPER_PROTOCOL,
      (message, peer) => this.#answer(message as KeeperRequest, peer),
      failureReport,
    )
    this.#timer = setInterval(() => void this.#look(), LOG_CHECK_MS)
  }

  /** Lets go of everything but the ledger. Safe twice. */
  async end(): Promise<void> {
    clearInterval(this.#timer)
    this.#ending.abort()
    const server = this.#server
    this.#server = null
    if (server === null) return
    await server.close()
    rmSync(keeperSocket(this.#options.folder), { force: true })
  }

  #answer(request: KeeperRequest, peer: LinePeer): Promise<unknown> {
    this.#know(peer)
    switch (request.kind) {
      case 'status':
        return Promise.resolve(this.#status())
      case 'shutdown':
        return this.#shutdown(request.graceMs, peer)
      case 'handover':
        return this.#handOver(request.command)
      default:
        return this.#keeper.answer(request)
    }
  }

  #status(): KeeperStatus {
    return {
      pid: process.pid,
      startedAtMs: this.#startedAtMs,
      replicas: this.#keeper.size,
      routerPid: this.#router?.pid ?? null,
    }
  }

  /** The answer has to be on its way before the socket is closed: the peer hangs up when it has read it. */
  async #shutdown(graceMs: number, peer: LinePeer): Promise<void> {
    await this.#keeper.shutdown(graceMs)
    await this.#router?.shutdown()
    peer.onClose(this.#finish)
    setTimeout(this.#finish, 1000)
  }

  /** A successor that speaks another version goes on with all of it. It finds the process of each replica by what is written down. */
  async #handOver(command: readonly string[]): Promise<void> {
    const successor = await startSuccessor(command, this.#options.folder)
    await this.#keeper.settled()
    const handover = { sockets: (await this.#router?.release()) ?? [], secrets: this.#keeper.secrets }
    await this.end()
    this.#ledger.close()
    await handOver(successor, handover)
    this.#finish()
  }

  #know(peer: LinePeer): void {
    if (this.#peers.has(peer)) return
    this.#peers.add(peer)
    peer.onClose(() => this.#peers.delete(peer))
  }

  #tell(scope: Scope): void {
    for (const peer of this.#peers) peer.push({ kind: 'changed', scope })
  }

  async #look(): Promise<void> {
    const now = this.#clock.monotonic()
    const isIdle = this.#keeper.isEmpty && this.#peers.size === 0 && (this.#router?.isUnused ?? true)
    if (!isIdle) this.#idleSince = now
    if (now - this.#idleSince >= (this.#options.idleMs ?? DEFAULT_IDLE_MS)) {
      await this.#router?.shutdown()
      this.#finish()
    }
    await this.#keeper.tendLogs()
  }
}

/** The keeper's standard error is its log file. */
function complain(thrown: unknown): void {
  const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  logLine(`${new Date().toISOString()} ${text}`)
}
