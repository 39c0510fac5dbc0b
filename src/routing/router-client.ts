import { backoff } from '../lib/backoff.ts'
import type { Clock } from '../lib/clock.ts'
import { Signal } from '../lib/signal.ts'
import { type Scope, scopeName } from '../model/app.ts'
import { DeployError, type FailureReport, failureError } from '../model/failure.ts'
import type { ObservedRouter } from '../model/observed.ts'
import { ROUTER_CHANNEL_VERSION, type RouterWho } from '../model/router-channel.ts'
import type { FencingToken } from '../model/rollout.ts'
import type { PublishedRoute } from '../model/step.ts'
import { connectLines, type LineClient, LineFailure } from '../os/line-socket.ts'
import type { RouterPush, RouterRequest } from './protocol.ts'
import type { Router, Target } from './router.ts'

export interface RouterClientOptions {
  /** Path of `router.sock`. */
  readonly socket: string
  readonly clock: Clock
  /** How long a call waits for a router that is not there (the keeper starts a new one within some 100 ms). Default 10 s. */
  readonly patienceMs?: number
}

const CONNECT_TIMEOUT_MS = 2000

/**
 * The router process, spoken to over its socket. When the connection breaks, a call is sent again to the successor: every one of them
 * can be done twice. Throws ROUTER_FAILED when no router answers in time.
 */
export class RouterClient implements Router {
  readonly #options: RouterClientOptions
  readonly #changed = new Map<string, Signal>()
  #connection: Promise<LineClient> | null = null
  #closed = false

  constructor(options: RouterClientOptions) {
    this.#options = options
  }

  async observe(scope: Scope, signal: AbortSignal): Promise<ObservedRouter> {
    return (await this.#ask({ kind: 'observe', scope }, signal)) as ObservedRouter
  }

  async *changes(scope: Scope, signal: AbortSignal): AsyncIterable<void> {
    const changed = this.#signalOf(scopeName(scope))
    let mark = changed.mark
    yield
    try {
      while (!signal.aborted) {
        await this.#untilConnected(signal)
        await changed.wait(mark, Number.POSITIVE_INFINITY, signal)
        mark = changed.mark
        yield
      }
    } catch (failed) {
      if (!signal.aborted) throw failed
    }
  }

  async publish(
    scope: Scope,
    routes: readonly PublishedRoute[],
    token: FencingToken,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#ask({ kind: 'publish', scope, routes, token }, signal)
  }

  async admit(scope: Scope, target: Target, token: FencingToken, signal: AbortSignal): Promise<void> {
    await this.#ask({ kind: 'admit', scope, target, token }, signal)
  }

  async drain(scope: Scope, replica: string, token: FencingToken, signal: AbortSignal): Promise<number> {
    return (await this.#ask({ kind: 'drain', scope, replica, token }, signal)) as number
  }

  async remove(scope: Scope, replica: string, token: FencingToken, signal: AbortSignal): Promise<void> {
    await this.#ask({ kind: 'remove', scope, replica, token }, signal)
  }

  async servedBy(
    scope: Scope,
    sourcePorts: readonly number[],
    signal: AbortSignal,
  ): Promise<readonly (number | null)[]> {
    return (await this.#ask({ kind: 'servedBy', scope, sourcePorts }, signal)) as (number | null)[]
  }

  /** What a person should know of the router: why the fast path is not used, what was restored. Oldest first. */
  async notes(signal: AbortSignal): Promise<readonly string[]> {
    return (await this.#ask({ kind: 'notes' }, signal)) as string[]
  }

  async who(signal: AbortSignal): Promise<RouterWho> {
    return (await this.#ask({ kind: 'who' }, signal)) as RouterWho
  }

  /** Tells that a target's process is gone: for tests and a keeper that is not the router's parent. */
  async exited(scope: Scope, replica: string, signal: AbortSignal): Promise<void> {
    await this.#ask({ kind: 'exited', scope: scopeName(scope), replica }, signal)
  }

  async shutdown(remove: boolean, lingerMs: number, signal: AbortSignal): Promise<void> {
    await this.#ask({ kind: 'shutdown', remove, lingerMs }, signal)
  }

  /** Ends the connection; the router goes on. */
  async close(): Promise<void> {
    this.#closed = true
    const connection = this.#connection
    this.#connection = null
    await connection?.then((client) => client.close()).catch(() => {})
  }

  async #ask(request: RouterRequest, signal: AbortSignal): Promise<unknown> {
    const { clock, patienceMs = 10_000 } = this.#options
    const until = clock.monotonic() + patienceMs
    for (const ms of backoff()) {
      try {
        const client = await this.#connected(signal)
        return await client.request(request, signal)
      } catch (failed) {
        signal.throwIfAborted()
        if (failed instanceof LineFailure) throw failureError(failed.failure as FailureReport)
        if (failed instanceof DeployError || this.#closed) throw failed
        if (clock.monotonic() + ms > until) throw gone(this.#options.socket, patienceMs, failed)
      }
      await clock.sleep(ms, signal)
    }
  }

  /** Watching needs a connection; one that breaks counts as a change, and is made again here. */
  async #untilConnected(signal: AbortSignal): Promise<void> {
    for (const ms of backoff()) {
      try {
        await this.#connected(signal)
        return
      } catch (failed) {
        if (failed instanceof DeployError) throw failed
      }
      await this.#options.clock.sleep(ms, signal)
    }
  }

  async #connected(signal: AbortSignal): Promise<LineClient> {
    const connection = this.#connection ?? this.#connect(signal)
    this.#connection = connection
    try {
      return await connection
    } catch (failed) {
      if (this.#connection === connection) this.#connection = null
      throw failed
    }
  }

  async #connect(signal: AbortSignal): Promise<LineClient> {
    const client = await connectLines(this.#options.socket, ROUTER_CHANNEL_VERSION, CONNECT_TIMEOUT_MS)
    if (client.peerVersion !== ROUTER_CHANNEL_VERSION) {
      client.close()
      throw otherVersion(client.peerVersion)
    }
    client.onPush((push) => this.#signalOf((push as RouterPush).changed).notify())
    client.onClose(() => {
      this.#connection = null
      for (const changed of this.#changed.values()) changed.notify()
    })
    await client.request({ kind: 'watch' } satisfies RouterRequest, signal)
    return client
  }

  #signalOf(name: string): Signal {
    const known = this.#changed.get(name)
    if (known !== undefined) return known
    const made = new Signal()
    this.#changed.set(name, made)
    return made
  }
}

/** A router by its socket: the process need not run yet. */
export const connectRouter = (options: RouterClientOptions): RouterClient => new RouterClient(options)

const gone = (socket: string, patienceMs: number, cause: unknown) =>
  new DeployError('ROUTER_FAILED', `no router answered at ${socket} within ${patienceMs} ms`, {
    hint: 'Replicas and connections are left as they are. See whether the keeper runs with: naru doctor',
    cause,
  })

const otherVersion = (version: number) =>
  new DeployError('ROUTER_FAILED', `the router speaks version ${version}, this Naru speaks ${ROUTER_CHANNEL_VERSION}`, {
    hint: 'Traffic goes on. Start the server once more: it replaces the router by its own.',
    detail: { router: version, ours: ROUTER_CHANNEL_VERSION },
  })
