import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { backoff } from '../../../lib/backoff.ts'
import { type Scope, scopeName } from '../../../model/app.ts'
import { type FromRouter, ROUTER_CHANNEL_VERSION, type ToRouter } from '../../../model/router-channel.ts'
import { connectLines } from '../../../os/line-socket.ts'
import { bindSocket, type ListeningSocket, socketOf } from '../../../os/listening-socket.ts'
import { openLog } from '../../../os/open-log.ts'
import { identifyChild, isAlive, type ProcessIdentity, signalProcess } from '../../../os/process-identity.ts'
import type { Inheritance } from './handover.ts'
import { adoptProcess } from './kept-process.ts'
import type { Surroundings } from './kept-replica.ts'

/** A router that ran this long did not crash at its start: its successor is started without delay. */
const SETTLED_MS = 10_000
const SHUTDOWN_TIMEOUT_MS = 5000
const ANSWER_TIMEOUT_MS = 1000
/** How long a router that made way may finish its open connections. */
const LINGER_MS = 60_000

/**
 * The router process: started with a channel, given the sockets that it asks for, started again at once when it crashes. The
 * kernel's sockets are bound here once and held, so that connections wait in the backlog while a successor starts.
 *
 * A router whose keeper was killed goes on serving with its own copies of the sockets. The next keeper finds it in the ledger,
 * leaves it alone, speaks to it over `router.sock`, and starts a successor only when it is gone.
 */
export class RouterProcess {
  readonly #command: readonly string[]
  readonly #around: Surroundings
  readonly #sockets = new Map<string, Promise<ListeningSocket>>()
  #child: ChildProcess | null = null
  #identity: ProcessIdentity | null = null
  /** Made way for ours, and may still finish open connections. */
  #former: ProcessIdentity | null = null
  #delays = backoff(20, 2000)
  #ending = false

  constructor(command: readonly string[], around: Surroundings) {
    this.#command = command
    this.#around = around
  }

  get pid(): number | null {
    return this.#identity?.pid ?? null
  }

  get #routerSocket(): string {
    return join(this.#around.folder, 'router.sock')
  }

  /** No address is published. What a router publishes that a keeper before us started is not known here. */
  get isUnused(): boolean {
    return this.#sockets.size === 0 && !this.#isAdopted
  }

  get #isAdopted(): boolean {
    return this.#identity !== null && this.#child === null
  }

  /**
   * `inherited`: the sockets of a predecessor that handed over. Its router then makes way for one of ours, which takes up its
   * rules and state; connections wait in the backlog meanwhile.
   */
  async begin(inherited: Inheritance['sockets'] | null): Promise<void> {
    const known = this.#around.ledger.router()
    for (const { host, port, handle } of inherited ?? []) {
      this.#sockets.set(keyOf(host, port), Promise.resolve(socketOf(handle, port)))
    }
    if (inherited !== null) {
      const message: ToRouter = { kind: 'shutdown', remove: false, lingerMs: LINGER_MS }
      if (known !== null && isAlive(known)) {
        this.#former = known
        await this.#request(message).catch(this.#around.complain)
        await this.#socketGone()
      }
      this.#start()
    } else if (known !== null && isAlive(known)) {
      this.#identity = known
      void adoptProcess(known).ended.then(() => this.#restart(Number.POSITIVE_INFINITY))
    } else this.#start()
  }

  /** The sockets, for a successor of this keeper. Nothing is done with them here any more. */
  async release(): Promise<Inheritance['sockets']> {
    this.#ending = true
    const bound = await Promise.allSettled(
      [...this.#sockets].map(async ([key, binding]) => {
        const [host = '', port = ''] = key.split(' ')
        return { host, port: Number(port), handle: (await binding).handle }
      }),
    )
    return bound.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  }

  /** A replica's process is gone: its target must leave the map now. */
  exited(scope: Scope, replica: string): void {
    const message: ToRouter = { kind: 'exited', scope: scopeName(scope), replica }
    if (this.#child !== null) this.#send(message)
    else if (this.#isAdopted) this.#request(message).catch(this.#around.complain)
  }

  /** Ends it with its kernel rules. */
  async shutdown(): Promise<void> {
    this.#ending = true
    const identity = this.#identity
    if (identity !== null && isAlive(identity)) {
      const message: ToRouter = { kind: 'shutdown', remove: true, lingerMs: 0 }
      if (this.#child !== null) this.#send(message)
      else await this.#request(message).catch(this.#around.complain)
      const gone = await this.#goneWithin(identity, SHUTDOWN_TIMEOUT_MS)
      if (!gone) signalProcess(identity, 'SIGKILL')
    }
    if (this.#former !== null) signalProcess(this.#former, 'SIGKILL')
    this.#around.ledger.saveRouter(null)
    await this.#closeSockets()
  }

  #start(): void {
    const [program = '', ...args] = this.#command
    const log = openLog(join(this.#around.folder, 'logs', 'router.log'))
    const startedAt = this.#around.clock.monotonic()
    const child = spawn(program, args, { detached: true, stdio: ['ignore', log, log, 'ipc'] })
    closeSync(log)
    this.#child = child
    this.#identity = child.pid === undefined ? null : identifyChild(child.pid)
    this.#around.ledger.saveRouter(this.#identity)
    child.on('message', (message) => this.#onMessage(child, message as FromRouter))
    const ended = () => {
      if (this.#child !== child) return
      this.#child = null
      this.#restart(this.#around.clock.monotonic() - startedAt)
    }
    child.once('exit', ended)
    child.once('error', (failed) => {
      this.#around.complain(failed)
      ended()
    })
    this.#send({ kind: 'hello', version: ROUTER_CHANNEL_VERSION })
  }

  #restart(ranMs: number): void {
    this.#identity = null
    if (this.#ending || this.#around.signal.aborted) return
    if (ranMs > SETTLED_MS) this.#delays = backoff(20, 2000)
    const start = () => {
      if (!this.#ending && !this.#around.signal.aborted) this.#start()
    }
    if (ranMs > SETTLED_MS) start()
    else setTimeout(start, this.#delays.next().value)
  }

  #onMessage(child: ChildProcess, message: FromRouter): void {
    if (message.kind === 'bind') void this.#bind(child, message.host, message.port)
    if (message.kind === 'unbind') this.#unbind(message.host, message.port)
  }

  async #bind(child: ChildProcess, host: string, port: number): Promise<void> {
    const key = keyOf(host, port)
    const binding = this.#sockets.get(key) ?? bindSocket(host, port)
    this.#sockets.set(key, binding)
    try {
      const socket = await binding
      this.#sendTo(child, { kind: 'listen', host, port, error: null }, socket.handle)
    } catch (failed) {
      if (this.#sockets.get(key) === binding) this.#sockets.delete(key)
      const { code = 'EUNKNOWN' } = failed as NodeJS.ErrnoException
      this.#sendTo(child, { kind: 'listen', host, port, error: code })
    }
  }

  #unbind(host: string, port: number): void {
    const key = keyOf(host, port)
    const binding = this.#sockets.get(key)
    this.#sockets.delete(key)
    binding?.then(
      (socket) => socket.close(),
      () => {},
    )
  }

  async #closeSockets(): Promise<void> {
    const bound = await Promise.allSettled(this.#sockets.values())
    for (const socket of bound) if (socket.status === 'fulfilled') socket.value.close()
    this.#sockets.clear()
  }

  #send(message: ToRouter): void {
    if (this.#child !== null) this.#sendTo(this.#child, message)
  }

  /** A router that is just going away takes no messages: its end is an event of its own. */
  #sendTo(child: ChildProcess, message: ToRouter, handle?: object): void {
    if (child.connected) child.send(message, handle as Parameters<ChildProcess['send']>[1], () => {})
  }

  async #request(message: ToRouter): Promise<void> {
    const client = await connectLines(
      join(this.#around.folder, 'router.sock'),
      ROUTER_CHANNEL_VERSION,
      ANSWER_TIMEOUT_MS,
    )
    try {
      await client.request(message, AbortSignal.timeout(ANSWER_TIMEOUT_MS))
    } finally {
      client.close()
    }
  }

  /** A router that makes way takes its socket file away; it must not be the successor's. */
  async #socketGone(): Promise<void> {
    const deadline = this.#around.clock.monotonic() + ANSWER_TIMEOUT_MS
    for (const delay of backoff(5, 50)) {
      if (!existsSync(this.#routerSocket) || this.#around.clock.monotonic() > deadline) return
      await this.#around.clock.sleep(delay, this.#around.signal)
    }
  }

  async #goneWithin(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
    const deadline = this.#around.clock.monotonic() + timeoutMs
    for (const delay of backoff(5, 100)) {
      if (!isAlive(identity)) return true
      if (this.#around.clock.monotonic() > deadline) return false
      await this.#around.clock.sleep(delay, AbortSignal.timeout(timeoutMs * 2))
    }
    return false
  }
}

const keyOf = (host: string, port: number): string => `${host} ${port}`
