import { join } from 'node:path'
import { Child } from './child.ts'
import type { Surroundings } from './surroundings.ts'

const CLIENT = join(import.meta.dirname, '..', 'load', 'client.ts')
/** Longer than the client waits for an answer before it calls a request lost. */
const PATIENCE_MS = 15_000

/** What the load client says at its end. */
export interface LoadReport {
  readonly sent: number
  readonly answered: number
  readonly lost: number
  readonly lostBy: Readonly<Record<string, number>>
  /** Answers by their text: which version and revision they came from. */
  readonly bodies: Readonly<Record<string, number>>
  readonly slowestMs: number
}

/** The load: a process that knows nothing of Naru, and sends requests at a set rate whatever becomes of those before. */
export class Load {
  readonly #child: Child

  constructor(where: Surroundings, rate: number) {
    this.#child = new Child([CLIENT, '127.0.0.1', String(where.routePort), String(rate)], where.env, where.folder)
  }

  /** Waits for what is under way, and answers what became of all requests. */
  async stop(): Promise<LoadReport> {
    return JSON.parse(await this.#child.end('SIGTERM', PATIENCE_MS)) as LoadReport
  }

  async kill(): Promise<void> {
    await this.#child.end('SIGKILL', 0)
  }
}
