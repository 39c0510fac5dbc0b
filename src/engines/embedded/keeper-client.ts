import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { join } from 'node:path'
import { backoff } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Scope } from '../../model/app.ts'
import { DeployError, type FailureReport, failureError } from '../../model/failure.ts'
import { connectLines, type LineClient, LineFailure } from '../../os/line-socket.ts'
import { goneWithin } from '../../os/gone-within.ts'
import { openLog } from '../../os/open-log.ts'
import { identify, type ProcessIdentity, signalProcess } from '../../os/process-identity.ts'
import { keeperLog } from './keeper/handover.ts'
import { logEnd, logTail } from './keeper/logs/log-file.ts'
import { type ChangedPush, KEEPER_PROTOCOL, type KeeperRequest, type KeeperStatus } from './keeper/protocol.ts'

export interface KeeperClientOptions {
  readonly folder: string
  /** Program and arguments that start the keeper of this folder. */
  readonly command: readonly string[]
  readonly clock: Clock
}

const CONNECT_TIMEOUT_MS = 2000
/** A keeper after a killed one is started twice: first by us, then by the router (keeper/started-by-router.ts). */
const START_TIMEOUT_MS = 30_000
/** A keeper that keeps nothing any more closes its ledger, and ends. */
const END_TIMEOUT_MS = 10_000
const ATTEMPTS = 3
/** What the keeper, and so tools that it starts, see of our environment: no value in it is a secret. */
const INHERITED = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'NODE_EXTRA_CA_CERTS', 'NARU_ROUTER_SOCKETS'] as const

/** The way to the keeper of a data folder: starts it when none runs, and finds its successor when it is gone. */
export class KeeperClient {
  readonly #options: KeeperClientOptions
  readonly #changes: ((scope: Scope | null) => void)[] = []
  #connection: Promise<LineClient> | null = null
  #closed = false
  /** Nobody starts a keeper for what is asked while, or after, one is ended. */
  #mayStart = true

  constructor(options: KeeperClientOptions) {
    this.#options = options
  }

  get #socket(): string {
    return join(this.#options.folder, 'keeper.sock')
  }

  /** Called when something of a scope may have changed; null: of any (a connection is new). */
  onChange(listener: (scope: Scope | null) => void): void {
    this.#changes.push(listener)
  }

  /**
   * One request. All of them can be made twice, so a connection that ends in the middle is made again. Throws what the keeper
   * threw, ENGINE_UNREACHABLE, ENGINE_PROTOCOL, or the signal's reason.
   */
  async request<T>(message: KeeperRequest, signal: AbortSignal): Promise<T> {
    let last: unknown
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      signal.throwIfAborted()
      const client = await this.#connect(signal)
      try {
        return (await client.request(message, signal)) as T
      } catch (failed) {
        if (failed instanceof LineFailure) throw failureError(failed.failure as FailureReport)
        signal.throwIfAborted()
        last = failed
      }
    }
    throw this.#unreachable('its connection ended again and again', last)
  }

  /**
   * Ends the keeper with all that it keeps, and waits until its process is gone: until then it still clears up in the folder.
   * It is not started again by this client, whatever is asked of it meanwhile.
   */
  async shutdown(graceMs: number, signal: AbortSignal): Promise<void> {
    this.#closed = true
    const keeper = await this.#endOne(graceMs, signal)
    await this.close()
    if (keeper === null || (await goneWithin(keeper, END_TIMEOUT_MS, this.#options.clock, signal))) return
    signalProcess(keeper, 'SIGKILL')
  }

  /** One that is killed before it has ended leaves replicas: the next one adopts them, and is ended. */
  async #endOne(graceMs: number, signal: AbortSignal): Promise<ProcessIdentity | null> {
    for (let attempt = 1; ; attempt++) {
      this.#mayStart = true
      const { pid } = await this.request<KeeperStatus>({ kind: 'status' }, signal)
      const keeper = identify(pid)
      this.#mayStart = false
      try {
        await this.request({ kind: 'shutdown', graceMs }, signal)
        return keeper
      } catch (failed) {
        const isGone = failed instanceof DeployError && failed.code === 'ENGINE_UNREACHABLE'
        if (!isGone || attempt === ATTEMPTS) throw failed
      }
    }
  }

  /** Lets go of the keeper; it goes on. */
  async close(): Promise<void> {
    this.#closed = true
    this.#mayStart = false
    const connection = await this.#connection?.catch(() => null)
    connection?.close()
  }

  #connect(signal: AbortSignal): Promise<LineClient> {
    this.#connection ??= this.#open(signal).catch((failed: unknown) => {
      this.#connection = null
      throw failed
    })
    return this.#connection
  }

  async #open(signal: AbortSignal): Promise<LineClient> {
    if (Buffer.byteLength(this.#socket) > 107) throw tooLong(this.#socket)
    const running = await this.#tryConnect()
    if (running === null && !this.#mayStart) throw this.#unreachable('it is ending, or has ended')
    const found = running ?? (await this.#startKeeper(signal))
    const client = found.peerVersion === KEEPER_PROTOCOL ? found : await this.#replace(found, signal)
    client.onPush((push) => this.#tell((push as ChangedPush).scope))
    client.onClose(() => this.#lost())
    // The keeper knows us from the first request on, and tells us of changes then.
    await client.request({ kind: 'status' }, signal)
    queueMicrotask(() => this.#tell(null))
    return client
  }

  /** null: nobody listens there. */
  async #tryConnect(): Promise<LineClient | null> {
    try {
      return await connectLines(this.#socket, KEEPER_PROTOCOL, CONNECT_TIMEOUT_MS)
    } catch {
      return null
    }
  }

  /** Two servers at once may both start one: the lock lets one live, and both connect to it. */
  async #startKeeper(signal: AbortSignal): Promise<LineClient> {
    const { folder, command } = this.#options
    const [program = '', ...args] = command
    const path = keeperLog(folder)
    const log = openLog(path)
    const offset = logEnd(path)
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: environment(folder),
      cwd: '/',
    })
    closeSync(log)
    child.unref()
    let failed = false
    child.once('error', () => {
      failed = true
    })
    child.once('exit', (code) => {
      failed ||= code !== 0
    })
    const client = await this.#waitFor(() => failed, signal)
    if (client !== null) return client
    throw this.#unreachable(`it did not start: ${logTail(path, offset, 5).join(' | ') || program}`)
  }

  /** null: nobody answered in time, or there is no hope of it. */
  async #waitFor(isHopeless: () => boolean, signal: AbortSignal): Promise<LineClient | null> {
    const { clock } = this.#options
    const deadline = clock.monotonic() + START_TIMEOUT_MS
    for (const delay of backoff(5, 100)) {
      const client = await this.#tryConnect()
      if (client !== null) return client
      if (isHopeless() || clock.monotonic() > deadline) return null
      await clock.sleep(delay, signal)
    }
    return null
  }

  #lost(): void {
    this.#connection = null
    if (this.#closed) return
    this.#tell(null)
    // At once, not at the next request: replicas of a killed keeper want a parent that restarts them.
    this.#connect(AbortSignal.timeout(START_TIMEOUT_MS)).catch(() => {})
  }

  #tell(scope: Scope | null): void {
    for (const listener of this.#changes) listener(scope)
  }

  /**
   * A keeper of another version. An older one hands over to one of ours, which replicas and sockets do not notice; a newer one
   * is not ours to replace.
   */
  async #replace(old: LineClient, signal: AbortSignal): Promise<LineClient> {
    const { peerVersion } = old
    if (peerVersion > KEEPER_PROTOCOL) {
      old.close()
      throw this.#otherVersion(peerVersion)
    }
    // The old keeper ends without an answer when it went well.
    await old.request({ kind: 'handover', command: this.#options.command }, signal).catch((failed: unknown) => {
      if (failed instanceof LineFailure) throw failureError(failed.failure as FailureReport)
    })
    old.close()
    const successor = await this.#waitFor(() => false, signal)
    if (successor?.peerVersion === KEEPER_PROTOCOL) return successor
    successor?.close()
    throw successor === null ? this.#unreachable('its successor does not answer') : this.#otherVersion(peerVersion)
  }

  #otherVersion(theirs: number): DeployError {
    return new DeployError(
      'ENGINE_PROTOCOL',
      `the keeper of ${this.#options.folder} speaks version ${theirs}, this naru version ${KEEPER_PROTOCOL}`,
      {
        hint: 'What runs goes on. Use the naru that started it, or stop the apps with it first.',
        detail: { theirs, ours: KEEPER_PROTOCOL },
      },
    )
  }

  #unreachable(why: string, cause?: unknown): DeployError {
    return new DeployError('ENGINE_UNREACHABLE', `the keeper of ${this.#options.folder} cannot be reached: ${why}`, {
      hint: `What runs goes on. Look into ${keeperLog(this.#options.folder)}, then try again.`,
      cause,
    })
  }
}

/** Compiled code is kept in the data folder: a keeper, and a router that it starts, are there in half the time. */
const environment = (folder: string): Record<string, string> => ({
  ...Object.fromEntries(
    INHERITED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  ),
  NODE_COMPILE_CACHE: join(folder, 'cache', 'node'),
})

const tooLong = (socket: string): DeployError =>
  new DeployError('ENGINE_NOT_SUPPORTED', `the path of the data folder is too long for a unix socket: ${socket}`, {
    hint: 'Nothing was started. Choose a data folder with a shorter path (a unix socket has at most 107 bytes).',
  })
