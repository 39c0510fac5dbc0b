import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { backoff } from '../../../lib/backoff.ts'
import { type Scope, scopeName } from '../../../model/app.ts'
import { type FromRouter, ROUTER_CHANNEL_VERSION, type ToRouter } from '../../../model/router-channel.ts'
import { connectLines } from '../../../os/line-socket.ts'
import { bindSocket, type ListeningSocket, socketOf } from '../../../os/listening-socket.ts'
import { goneWithin } from '../../../os/gone-within.ts'
import { openLog } from '../../../os/open-log.ts'
import { identifyChild, isAlive, type ProcessIdentity, signalProcess } from '../../../os/process-identity.ts'
import type { Handover, Inheritance } from './handover.ts'
import { adoptProcess } from './process/kept-process.ts'
import type { Surroundings } from './surroundings.ts'

/** A router that ran this long did not crash at its start: its successor is started without delay. */
const SETTLED_MS = 10_000
const SHUTDOWN_TIMEOUT_MS = 5000
const ANSWER_TIMEOUT_MS = 1000
/** How long a router that made way may finish its open connections. */
const LINGER_MS = 60_000
const NEVER = new AbortController().signal

/**
 * The router process: started with a channel, given the sockets that it asks for, started again at once when it crashes. The
 * kernel's sockets are bound here once and held, so that connections wait in the backlog while a successor starts.
 *
 * A router whose keeper was killed goes on serving with its own copies of the sockets. It starts the next keeper as its child and
 * gives it the sockets (started-by-router.ts), so that they are held again and the channel is as it was. One that cannot is found
 * in the ledger, left alone, spoken to over `router.sock`, and has a successor only when it is gone.
 */
export class RouterProcess {
  readonly #command: readonly string[]
  readonly #around: Surroundings
  readonly #sockets = new Map<string, Promise<ListeningSocket>>()
  /** Of a router that is our child, or our parent. */
  #channel: ChildProcess | NodeJS.Process | null = null
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

  /** No address is published. What an adopted router publishes is not known here. */
  get isUnused(): boolean {
    return this.#sockets.size === 0 && !this.#isAdopted
  }

  /** It runs, and there is no channel to it. */
  get #isAdopted(): boolean {
    return this.#identity !== null && this.#channel === null
  }

  /**
   * Goes on with the router that runs, or starts one. With the sockets of a predecessor that handed over, its router makes way for one
   * of ours, which takes up its rules and state; connections wait in the backlog meanwhile.
   */
  async begin(inheritance: Inheritance | null): Promise<void> {
    for (const { host, port, handle } of inheritance?.sockets ?? []) this.#hold(host, port, handle)
    const known = this.#around.ledger.router()
    if (known === null || !isAlive(known)) this.#start()
    else if (inheritance === null) this.#adopt(known)
    else if (inheritance.router !== null) this.#goOnWith(known, inheritance.router)
    else {
      this.#former = known
      const message: ToRouter = { kind: 'shutdown', remove: false, lingerMs: LINGER_MS }
      await this.#request(message).catch(this.#around.complain)
      await this.#socketGone()
      this.#start()
    }
  }

  /** The sockets, for a successor of this keeper. Nothing is done with them here any more. */
  async release(): Promise<Handover['sockets']> {
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
    if (this.#channel !== null) this.#send(message)
    else if (this.#isAdopted) this.#request(message).catch(this.#around.complain)
  }

  /** Ends it with its kernel rules. */
  async shutdown(): Promise<void> {
    this.#ending = true
    const identity = this.#identity
    if (identity !== null && isAlive(identity)) {
      const message: ToRouter = { kind: 'shutdown', remove: true, lingerMs: 0 }
      if (this.#channel !== null) this.#send(message)
      else await this.#request(message).catch(this.#around.complain)
      const gone = await goneWithin(identity, SHUTDOWN_TIMEOUT_MS, this.#around.clock, NEVER)
      if (!gone) signalProcess(identity, 'SIGKILL')
    }
    if (this.#former !== null) signalProcess(this.#former, 'SIGKILL')
    this.#around.ledger.saveRouter(null)
    await this.#closeSockets()
  }

  #adopt(router: ProcessIdentity): void {
    this.#identity = router
    void adoptProcess(router).ended.then(() => this.#restart(Number.POSITIVE_INFINITY))
  }

  /** It has started this keeper: its end is the end of the channel. */
  #goOnWith(router: ProcessIdentity, channel: NodeJS.Process): void {
    this.#identity = router
    this.#channel = channel
    channel.on('message', (message, handle) => this.#onMessage(channel, message as FromRouter, handle))
    const ended = async () => {
      this.#channel = null
      if (await goneWithin(router, ANSWER_TIMEOUT_MS, this.#around.clock, NEVER))
        this.#restart(Number.POSITIVE_INFINITY)
      else this.#adopt(router)
    }
    if (channel.connected) channel.once('disconnect', () => void ended())
    else void ended()
  }

  #start(): void {
    const [program = '', ...args] = this.#command
    const log = openLog(join(this.#around.folder, 'logs', 'router.log'))
    const startedAt = this.#around.clock.monotonic()
    const child = spawn(program, args, { detached: true, stdio: ['ignore', log, log, 'ipc'] })
    closeSync(log)
    this.#channel = child
    this.#identity = child.pid === undefined ? null : identifyChild(child.pid)
    this.#around.ledger.saveRouter(this.#identity)
    child.on('message', (message, handle) => this.#onMessage(child, message as FromRouter, handle))
    const ended = () => {
      if (this.#channel !== child) return
      this.#channel = null
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

  #onMessage(channel: ChildProcess | NodeJS.Process, message: FromRouter, handle: unknown): void {
    if (message.kind === 'bind') void this.#bind(channel, message.host, message.port)
    if (message.kind === 'unbind') this.#unbind(message.host, message.port)
    if (message.kind === 'socket' && typeof handle === 'object' && handle !== null) {
      this.#hold(message.host, message.port, handle)
    }
  }

  /** The newest copy of a socket counts: an older one may be of another that had this address before. */
  #hold(host: string, port: number, handle: object): void {
    this.#unbind(host, port)
    this.#sockets.set(keyOf(host, port), Promise.resolve(socketOf(handle, port)))
  }

  async #bind(channel: ChildProcess | NodeJS.Process, host: string, port: number): Promise<void> {
    const key = keyOf(host, port)
    const binding = this.#sockets.get(key) ?? bindSocket(host, port)
    this.#sockets.set(key, binding)
    try {
      const socket = await binding
      this.#sendTo(channel, { kind: 'listen', host, port, error: null }, socket.handle)
    } catch (failed) {
      if (this.#sockets.get(key) === binding) this.#sockets.delete(key)
      const { code = 'EUNKNOWN' } = failed as NodeJS.ErrnoException
      this.#sendTo(channel, { kind: 'listen', host, port, error: code })
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
    if (this.#channel !== null) this.#sendTo(this.#channel, message)
  }

  /** A router that is just going away takes no messages: its end is an event of its own. */
  #sendTo(channel: ChildProcess | NodeJS.Process, message: ToRouter, handle?: object): void {
    if (channel.connected) channel.send?.(message, handle as Parameters<ChildProcess['send']>[1], {}, () => {})
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
}

const keyOf = (host: string, port: number): string => `${host} ${port}`
