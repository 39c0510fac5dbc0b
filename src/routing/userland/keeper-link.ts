import type { ChildProcess } from 'node:child_process'
import { createServer, Server } from 'node:net'
import { DeployError } from '../../model/failure.ts'
import { type FromRouter, ROUTER_CHANNEL_VERSION, type ToRouter } from '../../model/router-channel.ts'
import type { PublishedRoute } from '../../model/step.ts'
import { addressName } from '../router-state.ts'

/** How long the keeper may take to bind an address. */
const BIND_TIMEOUT_MS = 10_000

type Address = PublishedRoute['listen']

/** A socket to listen on: of the keeper (a handle that is bound, or a server), or none of its own (the router binds it). */
export type BoundSocket = { readonly handle: unknown } | null

interface Waiting {
  resolve(socket: BoundSocket): void
  reject(why: unknown): void
}

/** This process where its parent is the keeper; or the keeper, where it is a child of this process. */
export type KeeperChannel = NodeJS.Process | ChildProcess

/**
 * The keeper: it binds addresses once and keeps the sockets for the router's successors, and tells of exits. When it is gone (killed), the
 * router goes on with what it has, until there is another one.
 */
export class KeeperLink {
  readonly #tell: (message: Exclude<ToRouter, { kind: 'hello' | 'listen' }>) => void
  #channel: KeeperChannel | null = null
  readonly #waiting = new Map<string, Waiting>()
  /** Names of the addresses whose sockets the keeper has. */
  readonly #held = new Set<string>()

  constructor(tell: (message: Exclude<ToRouter, { kind: 'hello' | 'listen' }>) => void) {
    this.#tell = tell
  }

  /** From now on this is the keeper. */
  attach(channel: KeeperChannel): void {
    this.#channel = channel
    this.#held.clear()
    channel.on('message', (message: ToRouter, handle: unknown) => {
      if (this.#channel !== channel) closeHandle(handle)
      else if (message.kind === 'listen') this.#listen(message, handle)
      else if (message.kind !== 'hello') this.#tell(message)
    })
    channel.on('disconnect', () => {
      if (this.#channel === channel) this.#lost()
    })
    this.#send({ kind: 'hello', version: ROUTER_CHANNEL_VERSION, pid: process.pid })
  }

  get connected(): boolean {
    return this.#channel?.connected ?? false
  }

  /** Has the keeper hold this socket too, unless it does. Without a keeper: no effect. */
  hold(address: Address, handle: object): void {
    const name = addressName(address)
    if (!this.connected || this.#held.has(name)) return
    this.#held.add(name)
    this.#send({ kind: 'socket', host: address.host, port: address.port }, handle)
  }

  /** Tells a keeper that was started here that it has all sockets, and may take over. */
  go(): void {
    this.#send({ kind: 'go', isRouter: true })
  }

  /** Asks the keeper for the address; without a keeper: null, the router binds by itself. Rejects with the errno's name as `code`. */
  bind(address: Address): Promise<BoundSocket> {
    if (!this.connected) return Promise.resolve(null)
    const name = addressName(address)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(tooSlow(name)), BIND_TIMEOUT_MS)
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer)
          this.#waiting.delete(name)
          then(value)
        }
      this.#waiting.set(name, { resolve: settle(resolve), reject: settle(reject) })
      this.#send({ kind: 'bind', ...address })
    })
  }

  /** Tells the keeper that no route uses the address any more. */
  unbind(address: Address): void {
    this.#held.delete(addressName(address))
    this.#send({ kind: 'unbind', host: address.host, port: address.port })
  }

  #listen(message: Extract<ToRouter, { kind: 'listen' }>, handle: unknown): void {
    const waiting = this.#waiting.get(addressName(message))
    if (waiting === undefined) closeHandle(handle)
    else if (message.error === null && isHandle(handle)) {
      this.#held.add(addressName(message))
      waiting.resolve({ handle })
    } else
      waiting.reject(Object.assign(new Error(message.error ?? 'no handle came'), { code: message.error ?? 'EBADF' }))
  }

  #lost(): void {
    for (const waiting of [...this.#waiting.values()]) waiting.resolve(null)
  }

  #send(message: FromRouter, handle?: object): void {
    // The callback keeps a channel that breaks at this moment from throwing: `disconnect` says it.
    if (this.connected) this.#channel?.send?.(message, handle as Server | undefined, {}, () => {})
  }
}

const isHandle = (handle: unknown): handle is object => typeof handle === 'object' && handle !== null

/** A socket that nobody waits for any more must not take connections. */
function closeHandle(handle: unknown): void {
  if (handle instanceof Server) handle.close()
  else if (isHandle(handle)) createServer().listen(handle).close()
}

const tooSlow = (name: string) =>
  new DeployError('ROUTER_FAILED', `the keeper did not bind ${name} within ${BIND_TIMEOUT_MS} ms`, {
    hint: 'Nothing was published. Try again; if it stays, see the log of the keeper in the data folder.',
  })
