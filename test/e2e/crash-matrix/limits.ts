import type { StatusBody } from '../../../src/api/responses.ts'
import type { Stage } from '../harness/stage.ts'
import type { TestApp } from '../harness/test-app.ts'

/** Between two readings. */
const PAUSE_MS = 25

/** What a rollout must keep at every moment. A replica that is drained or terminating is not counted, as with Kubernetes. */
export interface Bounds {
  readonly atLeastServing: number
  readonly atMost: number
}

/**
 * Reads the status over and over while something else goes on; a server that is away is no reading. Replicas and targets
 * come from two processes that are not read at the same instant: only what two readings in a row show is told.
 */
export class LimitWatch {
  readonly #broken: string[] = []
  readonly #done: Promise<void>
  #readings = 0
  #suspect = false
  #stopping = false

  constructor(stage: Stage, app: TestApp, bounds: Bounds) {
    this.#done = this.#watch(stage, app, bounds)
  }

  /** What was broken; no reading at all is something that was broken as well. */
  async stop(): Promise<readonly string[]> {
    this.#stopping = true
    await this.#done
    return this.#readings === 0 ? ['the status was never read'] : this.#broken
  }

  async #watch(stage: Stage, app: TestApp, bounds: Bounds): Promise<void> {
    while (!this.#stopping) {
      const status = await stage.status(app).catch(() => null)
      if (status !== null) this.#check(status, bounds)
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }

  #check({ replicas }: StatusBody, { atLeastServing, atMost }: Bounds): void {
    this.#readings++
    const staying = replicas.filter(
      ({ phase, target }) => (phase === 'Running' || phase === 'Pending') && target !== 'Draining',
    )
    const serving = staying.filter(({ ready, target }) => ready && target === 'Active')
    const isBroken = serving.length < atLeastServing || staying.length > atMost
    if (isBroken && this.#suspect) {
      const seen = replicas.map(({ id, phase, ready, target }) => `${id} ${phase} ${ready ? 'ready ' : ''}${target}`)
      this.#broken.push(`${serving.length} serve, ${staying.length} stay: ${seen.join(', ')}`)
    }
    this.#suspect = isBroken
  }
}
