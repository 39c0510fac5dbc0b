import type { StatusBody } from '../../../src/api/responses.ts'
import type { Stage } from '../harness/stage.ts'
import type { TestApp } from '../harness/test-app.ts'

/** Between two readings. */
const PAUSE_MS = 25

/** What a rollout must keep at every moment. Terminating replicas are not counted, as with Kubernetes. */
export interface Bounds {
  readonly atLeastAvailable: number
  readonly atMost: number
}

/** Reads the status over and over while something else goes on; a server that is away is no reading. */
export class LimitWatch {
  readonly #broken: string[] = []
  readonly #done: Promise<void>
  #readings = 0
  #stopping = false

  constructor(stage: Stage, app: TestApp, bounds: Bounds) {
    this.#done = this.#watch(stage, app, bounds)
  }

  /** What was broken; `no reading` is something that was broken as well. */
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

  #check({ roles, replicas }: StatusBody, { atLeastAvailable, atMost }: Bounds): void {
    this.#readings++
    const seen = () => replicas.map(({ id, phase, ready }) => `${id} ${phase}${ready ? ' ready' : ''}`).join(', ')
    for (const { role, available, updated, old } of roles) {
      if (available < atLeastAvailable) this.#broken.push(`${role}: only ${available} available: ${seen()}`)
      if (updated + old > atMost) this.#broken.push(`${role}: ${updated + old} at once: ${seen()}`)
    }
  }
}
