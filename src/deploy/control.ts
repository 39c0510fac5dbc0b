import { Signal } from '../lib/signal.ts'
import { type Scope, scopeName } from '../model/app.ts'
import { DeployError } from '../model/failure.ts'
import type { Release } from '../model/release.ts'
import { planRollback, type RollbackRequest, whereBack } from '../plan/plan-rollback.ts'
import { EnvironmentLoop, type EnvironmentStatus } from './environment/environment-loop.ts'
import { EnvironmentState } from './environment/environment-state.ts'
import { observe } from './environment/round.ts'
import { eachChange, watchPlace } from './environment/watch-place.ts'
import type { EventStream } from './event-stream.ts'
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

  /** What should be, what is, and what is under way: also where no loop carries it on. */
  async status(scope: Scope, signal: AbortSignal): Promise<EnvironmentStatus> {
    const known = this.#loops.get(scopeName(scope))
    if (known !== undefined && !known.loop.isHalted) return known.loop.status(signal)
    const { memory } = this.place
    const desired = await memory.desired(scope)
    const rollout = (await memory.rollouts(scope, HISTORY)).find(({ phase }) => phase !== 'Done') ?? null
    const unattended = rollout !== null && rollout.phase !== 'Paused'
    return { desired, rollout, unattended, ...(await observe(this.place, scope, signal)) }
  }

  /** Yields at once, and whenever the status of a scope may have changed. Ends with the signal. */
  async *changes(scope: Scope, signal: AbortSignal): AsyncIterable<void> {
    const changed = new Signal()
    const leaving = new AbortController()
    const until = AbortSignal.any([signal, leaving.signal])
    let followed: EnvironmentLoop | null = null
    // A deploy begins the loop of what was never deployed before.
    const follow = () => {
      const { loop = null } = this.#loops.get(scopeName(scope)) ?? {}
      if (loop !== null && loop !== followed) void relay(loop.changes(until), () => changed.notify())
      followed = loop
    }
    follow()
    if (followed === null) void watchPlace(this.place, scope, changed, until)
    void relay(eachChange(this.operations.changed, until), () => {
      follow()
      changed.notify()
    })
    try {
      yield* eachChange(changed, signal)
    } finally {
      leaving.abort()
    }
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
    return planRollback({ ...(await this.#past(scope)), wanted: asked })
  }

  /** Where `naru rollback` goes; null: nowhere. */
  async whereBack(scope: Scope): Promise<number | null> {
    return whereBack(await this.#past(scope))
  }

  async #past(scope: Scope): Promise<Omit<RollbackRequest, 'wanted'>> {
    const { memory } = this.place
    const history = await memory.rollouts(scope, HISTORY)
    const revisions = (await memory.releases(scope)).map(({ revision }) => revision)
    return { history, revisions, current: (await memory.desired(scope)).revision }
  }

  /**
   * Ends what was asked for a scope, whether it is still being built or rolls already. Answers the operation that tells how it
   * ends. Throws ROLLOUT_NOT_RUNNING.
   */
  async abort(scope: Scope, by: string): Promise<string> {
    const why = new DeployError('ROLLOUT_ABORTED', `the deploy was aborted by ${by} before its rollout had begun`, {
      hint: 'Nothing was changed. Deploy again when you are ready: naru deploy.',
    })
    const [stopped] = this.operations.stopWork((stream) => scopeName(stream.scope) === scopeName(scope), why)
    try {
      // Before the first release no loop is begun for whatever name was asked for.
      const known = await this.place.memory.scopes()
      if (!known.some((one) => scopeName(one) === scopeName(scope))) throw notRunning(scope)
      return (await this.loop(scope).abort(by)).operation
    } catch (failed) {
      if (stopped === undefined) throw failed
      return stopped.operation
    }
  }

  /** Ends an operation the way that nobody has to wait for a successor. Its rollout stays unfinished. */
  async interrupt(operation: string): Promise<void> {
    const why = new DeployError('INTERRUPTED', 'interrupted before the rollout had begun', {
      hint: 'Nothing was changed. Ask again: naru deploy.',
    })
    this.operations.stopWork((stream) => stream.operation === operation, why)
    await this.operations.settled(operation)
    const stream = await this.operations.find(operation)
    if (stream !== null) await this.#loops.get(scopeName(stream.scope))?.loop.interrupt(operation)
  }

  /**
   * Waits until every operation under way has ended, but for paused ones, and takes no more from then on. `waiting` is called
   * with those that are waited for, whenever they change. Rejects with the signal's reason.
   */
  async finish(waiting: (scopes: readonly Scope[]) => void, signal: AbortSignal): Promise<void> {
    const { changed } = this.operations
    for (let told = ''; ; ) {
      const { mark } = changed
      const scopes = this.#awaited()
      if (scopes.length === 0) return this.operations.refuse()
      const names = scopes.map(scopeName).join(', ')
      if (names !== told) waiting(scopes)
      told = names
      // That one is paused meanwhile is no end of it.
      await changed.wait(mark, LOOK_MS, signal)
    }
  }

  #awaited(): readonly Scope[] {
    const isPaused = ({ scope, operation }: EventStream) => {
      const rollout = this.#loops.get(scopeName(scope))?.loop.rollout
      return rollout?.phase === 'Paused' && rollout.operation === operation
    }
    return this.operations.underWay.filter((stream) => !isPaused(stream)).map(({ scope }) => scope)
  }

  /** Waits until all loops and all work have ended, after the signal. */
  async ended(): Promise<void> {
    await Promise.all([...this.#loops.values()].map(({ running }) => running))
    await this.operations.settled(null)
  }
}

const LOOK_MS = 1000

/** Until the signal of the changes, whose reason concerns nobody here. */
async function relay(changes: AsyncIterable<void>, told: () => void): Promise<void> {
  try {
    for await (const _change of changes) told()
  } catch {
    // Whoever waits for `told` waits with the same signal.
  }
}

const notRunning = (scope: Scope) =>
  new DeployError('ROLLOUT_NOT_RUNNING', `${scopeName(scope)}: no rollout is under way`, {
    hint: 'See what is there with: naru status, naru history.',
  })
