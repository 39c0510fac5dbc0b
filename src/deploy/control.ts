import { type Scope, scopeName } from '../model/app.ts'
import { DeployError } from '../model/failure.ts'
import type { Release } from '../model/release.ts'
import { planRollback } from '../plan/plan-rollback.ts'
import { EnvironmentLoop } from './environment/environment-loop.ts'
import { EnvironmentState } from './environment/environment-state.ts'
import { Operations } from './operations.ts'
import type { Place } from './place.ts'
import { HISTORY } from './rollout/new-rollout.ts'

/** All environments of one place: a loop for each that was ever deployed, and the operations that were asked for. */
export class Control {
  readonly place: Place
  readonly operations: Operations
  readonly #loops = new Map<string, { loop: EnvironmentLoop; running: Promise<void> }>()
  readonly #signal: AbortSignal

  /** `signal` ends all loops; `newId` makes names of operations. */
  constructor(place: Place, newId: () => string, signal: AbortSignal) {
    this.place = place
    this.operations = new Operations(place, newId, signal)
    this.#signal = signal
  }

  /** Goes on with everything that is remembered: unfinished rollouts, and keeping what should run running. */
  async start(): Promise<void> {
    for (const scope of await this.place.memory.scopes()) this.loop(scope)
  }

  /** The loop of a scope; begun at the first call. */
  loop({ app, environment }: Scope): EnvironmentLoop {
    const scope = { app, environment }
    const known = this.#loops.get(scopeName(scope))
    if (known !== undefined) return known.loop
    const loop = new EnvironmentLoop(this.place, scope, (operation) => this.operations.reopen(scope, operation))
    this.#loops.set(scopeName(scope), { loop, running: loop.run(this.#signal) })
    return loop
  }

  /** A remembered release. Throws RELEASE_NOT_FOUND. */
  async release(scope: Scope, revision: number): Promise<Release> {
    return (await EnvironmentState.load(this.place, scope)).release(revision)
  }

  /** The revision that `naru rollback [N]` means. Throws NOTHING_TO_ROLL_BACK, RELEASE_NOT_FOUND. */
  async rollbackRevision(scope: Scope, asked: number | null): Promise<number> {
    const { memory } = this.place
    const releases = await memory.releases(scope)
    const history = await memory.rollouts(scope, HISTORY)
    const { revision: current } = await memory.desired(scope)
    return planRollback({ history, current, wanted: asked, revisions: releases.map(({ revision }) => revision) })
  }

  /**
   * Ends what was asked for a scope, whether it is still being built or rolls already. Answers the operation that tells how it
   * ends. Throws ROLLOUT_NOT_RUNNING.
   */
  async abort(scope: Scope, by: string): Promise<string> {
    const why = new DeployError('ROLLOUT_ABORTED', `the deploy was aborted by ${by} before its rollout had begun`, {
      hint: 'Nothing was changed. Deploy again when you are ready: naru deploy.',
    })
    const [stopped] = this.operations.stopWork(scope, why)
    try {
      // Before the first release there is no loop, and none is begun for whatever name was asked for.
      const loop = this.#loops.get(scopeName(scope))?.loop
      if (loop === undefined) throw notRunning(scope)
      return (await loop.abort(by)).operation
    } catch (failed) {
      if (stopped === undefined) throw failed
      return stopped.operation
    }
  }

  /** Ends all work in progress the way that nobody has to wait for a successor. Nothing is done after it. */
  async interrupt(): Promise<void> {
    const why = new DeployError('INTERRUPTED', 'interrupted before the rollout had begun', {
      hint: 'Nothing was changed. Ask again: naru deploy.',
    })
    this.operations.stopWork(null, why)
    await this.operations.settled()
    await Promise.all([...this.#loops.values()].map(({ loop }) => loop.interrupt()))
  }

  /** Waits until all loops and all work have ended, after the signal. */
  async ended(): Promise<void> {
    await Promise.all([...this.#loops.values()].map(({ running }) => running))
    await this.operations.settled()
  }
}

const notRunning = (scope: Scope) =>
  new DeployError('ROLLOUT_NOT_RUNNING', `${scopeName(scope)}: no rollout is under way`, {
    hint: 'See what is there with: naru status, naru history.',
  })
