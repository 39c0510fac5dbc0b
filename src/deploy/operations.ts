import { type Scope, scopeName } from '../model/app.ts'
import { Signal } from '../lib/signal.ts'
import type { Event } from '../model/event.ts'
import { DeployError, FAILURES, failureReport } from '../model/failure.ts'
import type { Rollout } from '../model/rollout.ts'
import { EventStream } from './event-stream.ts'
import { endOfDone, endOfLost } from './lost-operation.ts'
import type { Place } from './place.ts'
import { HISTORY } from './rollout/new-rollout.ts'

/** Work of an operation before it is a rollout: fetching, building. */
interface Work {
  readonly stream: EventStream
  readonly stop: AbortController
  readonly done: Promise<void>
}

/** The operations that a server was asked for: their streams as long as they run, and their work until it is a rollout's. */
export class Operations {
  readonly #place: Place
  readonly #newId: () => string
  readonly #signal: AbortSignal
  readonly #streams = new Map<string, EventStream>()
  readonly #finding = new Map<string, Promise<EventStream | null>>()
  readonly #work = new Set<Work>()
  readonly #changed = new Signal()
  #asked = 0
  #refuses = false

  /** `signal` ends all work; `newId` makes names of operations. */
  constructor(place: Place, newId: () => string, signal: AbortSignal) {
    this.#place = place
    this.#newId = newId
    this.#signal = signal
  }

  /** Those that have not ended. */
  get underWay(): readonly EventStream[] {
    return [...this.#streams.values()].filter(({ ended }) => !ended)
  }

  /** Those of a scope that are not a rollout yet: fetching, building. */
  preparing(scope: Scope): readonly EventStream[] {
    const ours = this.underWay.filter((stream) => scopeName(stream.scope) === scopeName(scope))
    return ours.filter(({ rollout }) => rollout === null)
  }

  /** Notified when one has begun, has come to another station, or has ended. */
  get changed(): Signal {
    return this.#changed
  }

  /** From now on no operation is begun: the server is ending, and another one will be there. */
  refuse(): void {
    this.#refuses = true
  }

  /** A new operation with its stream. Throws SERVER_ENDING when none is begun any more. */
  open({ app, environment }: Scope): EventStream {
    if (this.#refuses) throw isEnding()
    this.#asked++
    const stream = this.#make({ app, environment }, this.#newId(), this.#asked, [])
    this.#streams.set(stream.operation, stream)
    this.#changed.notify()
    return stream
  }

  /** Forgets an operation of which nothing became. */
  drop(stream: EventStream): void {
    this.#streams.delete(stream.operation)
    this.#changed.notify()
  }

  /**
   * Runs the work of an operation that may fail before it becomes a rollout: a failure is told and ends the stream. A rollout
   * ends its stream itself.
   */
  carry(stream: EventStream, work: (signal: AbortSignal) => Promise<void>): void {
    const stop = new AbortController()
    const signal = AbortSignal.any([this.#signal, stop.signal])
    const done = this.#carryOut(stream, () => work(signal), signal)
    const entry: Work = { stream, stop, done }
    this.#work.add(entry)
    void done.then(() => this.#work.delete(entry))
  }

  /** Ends the work of the operations that are meant with this failure. Answers them. */
  stopWork(isMeant: (stream: EventStream) => boolean, why: DeployError): readonly EventStream[] {
    const ours = [...this.#work].filter(({ stream }) => isMeant(stream))
    for (const { stop } of ours) stop.abort(why)
    return ours.map(({ stream }) => stream)
  }

  /** Waits until no work is left; null: of any operation. */
  async settled(operation: string | null): Promise<void> {
    const ours = [...this.#work].filter(({ stream }) => operation === null || stream.operation === operation)
    await Promise.all(ours.map(({ done }) => done))
  }

  /** The stream of an operation, live or remembered; null: there is none of that name. */
  async find(operation: string): Promise<EventStream | null> {
    const live = this.#streams.get(operation)
    if (live !== undefined) return live
    const finding = this.#finding.get(operation) ?? this.#recall(operation)
    this.#finding.set(operation, finding)
    return finding.finally(() => this.#finding.delete(operation))
  }

  /** The stream of a rollout that this process goes on with: where it was interrupted, its operation has ended, and it gets a new one. */
  async reopen(scope: Scope, operation: string): Promise<EventStream> {
    const found = await this.find(operation)
    if (found !== null && !found.ended) return found
    const name = found === null ? operation : this.#newId()
    const stream = this.#make(scope, name, 0, [], await this.#earlier(scope, found?.rollout ?? null, name))
    this.#streams.set(stream.operation, stream)
    return stream
  }

  async #carryOut(stream: EventStream, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await work()
    } catch (thrown) {
      // What an aborted program or connection throws says less than why it was aborted.
      const failure = failureReport(signal.aborted ? signal.reason : thrown)
      stream.report({ kind: 'failure', failure })
      const { exit } = FAILURES[failure.code]
      stream.report({ kind: 'end', revision: null, endState: null, exit, digest: null, receipt: null })
    }
    await stream.flush().catch(() => {})
  }

  /** From memory. One that a killed server left and nobody goes on with gets its end now. */
  async #recall(operation: string): Promise<EventStream | null> {
    const { memory } = this.#place
    const past = await memory.events(operation, 0)
    const rollout = await this.#rolloutOf(operation, past[0] ?? null)
    const scope = rollout ?? past[0]
    if (scope === undefined) return null
    const isDone = rollout === null || rollout.phase === 'Done'
    const earlier = isDone ? [] : await this.#earlier(scope, rollout.id, operation)
    const stream = this.#make({ app: scope.app, environment: scope.environment }, operation, 0, past, earlier)
    if (stream.ended) return stream
    if (!isDone) {
      this.#streams.set(operation, stream)
      return stream
    }
    if (rollout === null) for (const happening of endOfLost()) stream.report(happening)
    else stream.report(endOfDone(rollout, await memory.receipt(stream.scope, rollout.id), past))
    await stream.flush()
    return stream
  }

  /** What operations of the same rollout told that were interrupted, oldest first. */
  async #earlier(scope: Scope, rollout: number | null, but: string): Promise<readonly Event[]> {
    if (rollout === null) return []
    const { memory } = this.#place
    const all = await memory.operations(scope, HISTORY)
    const before = all.filter(({ operation, rollout: of }) => of === rollout && operation !== but).reverse()
    const events = await Promise.all(before.map(({ operation }) => memory.events(operation, 0)))
    return events.flat().filter(({ kind }) => kind !== 'end')
  }

  async #rolloutOf(operation: string, first: Event | null): Promise<Rollout | null> {
    const { memory } = this.#place
    for (const scope of first === null ? await memory.scopes() : [first]) {
      const found = (await memory.rollouts(scope, HISTORY)).find((rollout) => rollout.operation === operation)
      if (found !== undefined) return found
    }
    return null
  }

  #make(
    scope: Scope,
    operation: string,
    order: number,
    past: readonly Event[],
    earlier: readonly Event[] = [],
  ): EventStream {
    const { memory, clock } = this.#place
    // Who follows it has it; from then on it is read from memory.
    const onEnd = () => {
      this.#streams.delete(operation)
      this.#changed.notify()
    }
    const onStation = () => this.#changed.notify()
    return new EventStream({ scope, operation, memory, clock, order, past, earlier, onEnd, onStation })
  }
}

const isEnding = () =>
  new DeployError('SERVER_ENDING', 'the server is ending: it begins nothing any more', {
    hint: 'Nothing was changed. Run the same command again.',
  })
