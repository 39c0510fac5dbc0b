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

/**
 * The keeper, where the router is its child: it binds addresses once and keeps the sockets for the router's successors, and tells of
 * exits. When it is gone (killed), the router goes on with what it has.
 */
export class Parent {
  readonly #channel: NodeJS.Process
  readonly #waiting = new Map<string, Waiting>()

  constructor(channel: NodeJS.Process, on: (message: Exclude<ToRouter, { kind: 'hello' | 'listen' }>) => void) {
    this.#channel = channel
    channel.on('message', (message: ToRouter, handle: unknown) => {
      if (message.kind === 'listen') this.#listen(message, handle)
      else if (message.kind !== 'hello') on(message)
    })
    channel.on('disconnect', () => this.#lost())
    this.#send({ kind: 'hello', version: ROUTER_CHANNEL_VERSION, pid: channel.pid })
  }

  get connected(): boolean {
    return this.#channel.connected
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
    this.#send({ kind: 'unbind', host: address.host, port: address.port })
  }

  #listen(message: Extract<ToRouter, { kind: 'listen' }>, handle: unknown): void {
    const waiting = this.#waiting.get(addressName(message))
    if (waiting === undefined) closeHandle(handle)
    else if (message.error === null && isHandle(handle)) waiting.resolve({ handle })
    else waiting.reject(Object.assign(new Error(message.error ?? 'no handle came'), { code: message.error ?? 'EBADF' }))
  }

  #lost(): void {
    for (const waiting of [...this.#waiting.values()]) waiting.resolve(null)
  }

  #send(message: FromRouter): void {
    // The callback keeps a channel that breaks at this moment from throwing: `disconnect` says it.
    if (this.connected) this.#channel.send?.(message, undefined, {}, () => {})
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
