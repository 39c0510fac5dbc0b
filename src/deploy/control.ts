import { type Scope, scopeName } from '../model/app.ts'
import { failureReport } from '../model/failure.ts'
import { EnvironmentLoop } from './environment/environment-loop.ts'
import { EnvironmentState } from './environment/environment-state.ts'
import { EventStream } from './event-stream.ts'
import type { Release } from '../model/release.ts'
import { planRollback } from '../plan/plan-rollback.ts'
import { HISTORY } from './rollout/new-rollout.ts'
import type { Place } from './place.ts'

/** All environments of one place: a loop for each that was ever deployed, and the streams of operations. */
export class Control {
  readonly place: Place
  readonly #newId: () => string
  readonly #loops = new Map<string, { loop: EnvironmentLoop; running: Promise<void> }>()
  readonly #streams = new Map<string, EventStream>()
  readonly #signal: AbortSignal

  /** `signal` ends all loops; `newId` makes names of operations. */
  constructor(place: Place, newId: () => string, signal: AbortSignal) {
    this.place = place
    this.#newId = newId
    this.#signal = signal
  }

  /** Goes on with everything that is remembered: unfinished rollouts, and keeping what should run running. */
  async start(): Promise<void> {
    for (const scope of await this.place.memory.scopes()) this.loop(scope)
  }

  /** The loop of a scope; begun at the first call. */
  loop(scope: Scope): EnvironmentLoop {
    const known = this.#loops.get(scopeName(scope))
    if (known !== undefined) return known.loop
    const { app, environment } = scope
    const loop = new EnvironmentLoop(this.place, { app, environment }, (operation) => this.#reopen(scope, operation))
    this.#loops.set(scopeName(scope), { loop, running: loop.run(this.#signal) })
    return loop
  }

  /** A new operation with its stream. */
  open(scope: Scope): EventStream {
    const stream = new EventStream(scope, this.#newId(), this.place.memory, this.place.clock)
    this.#streams.set(stream.operation, stream)
    return stream
  }

  /**
   * Runs the work of an operation that may fail before it becomes a rollout: a failure is told and ends the stream. A rollout
   * ends its stream itself.
   */
  async carry(stream: EventStream, work: () => Promise<void>, exitOf: (failure: unknown) => number): Promise<void> {
    try {
      await work()
    } catch (thrown) {
      stream.report({ kind: 'failure', failure: failureReport(thrown) })
      stream.report({ kind: 'end', revision: null, endState: null, exit: exitOf(thrown), digest: null, receipt: null })
    }
    await stream.flush()
  }

  /** The stream of an operation, live or remembered; null: there is none of that name. */
  async stream(operation: string): Promise<EventStream | null> {
    const live = this.#streams.get(operation)
    if (live !== undefined) return live
    const events = await this.place.memory.events(operation, 0)
    const [first] = events
    if (first === undefined) return null
    return this.#remember(new EventStream(first, operation, this.place.memory, this.place.clock, events))
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

  /** Ends all loops' work in progress the way that nobody has to wait for a successor, and waits for them. */
  async interrupt(): Promise<void> {
    await Promise.all([...this.#loops.values()].map(({ loop }) => loop.interrupt()))
  }

  /** Waits until all loops have ended, after the signal. */
  async ended(): Promise<void> {
    await Promise.all([...this.#loops.values()].map(({ running }) => running))
  }

  async #reopen(scope: Scope, operation: string): Promise<EventStream> {
    return (
      (await this.stream(operation)) ??
      this.#remember(new EventStream(scope, operation, this.place.memory, this.place.clock))
    )
  }

  #remember(stream: EventStream): EventStream {
    this.#streams.set(stream.operation, stream)
    return stream
  }
}
