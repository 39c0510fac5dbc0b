import { join } from 'node:path'
import type { ServerBody } from '../../src/api/responses.ts'
import { ApiClient } from '../../src/cli/api-client.ts'
import { Child } from './child.ts'
import { NARU } from './naru.ts'
import type { Narrator } from './narrator.ts'
import type { Surroundings } from './surroundings.ts'

const START_MS = 60_000
const CLOSE_MS = 10_000

/** `naru server` in a process of its own, so that it can be killed like one. */
export class Server {
  readonly #where: Surroundings
  readonly #narrator: Narrator
  readonly #signal: AbortSignal
  #child: Child | null = null
  #listen = '127.0.0.1:0'

  constructor(where: Surroundings, narrator: Narrator, signal: AbortSignal) {
    this.#where = where
    this.#narrator = narrator
    this.#signal = signal
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** What it complained about. */
  get errors(): readonly string[] {
    return this.#child?.errors ?? []
  }

  /** Starts it, on a free port the first time and on the same one again later, and waits until it serves. */
  async start(): Promise<void> {
    const { data, env, folder } = this.#where
    const args = ['server', '--data', data, '--listen', this.#listen]
    this.#narrator.command(['naru', ...args])
    const child = new Child([NARU, ...args, '--output', 'json'], env, folder)
    this.#child = child
    const serving = JSON.parse(await child.line(START_MS, this.#signal)) as { readonly url: string }
    this.#listen = new URL(serving.url).host
    if (this.#narrator.json) this.#narrator.object(serving)
    else this.#narrator.progress(`serving on ${serving.url} and on a socket in ${join(data, '/')}`)
  }

  /** What it says of itself. */
  describe(): Promise<ServerBody> {
    const client = new ApiClient({ kind: 'socket', path: join(this.#where.data, 'server.sock') })
    return client.get<ServerBody>('/v1/server', this.#signal)
  }

  /** The power plug of the process. */
  async kill(): Promise<void> {
    await this.#child?.end('SIGKILL', 0)
  }

  async close(): Promise<void> {
    await this.#child?.end('SIGTERM', CLOSE_MS)
  }
}
