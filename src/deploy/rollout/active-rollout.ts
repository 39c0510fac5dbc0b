import type { RoleProgress } from '../../model/event.ts'
import type { FailureReport } from '../../model/failure.ts'
import type { Release } from '../../model/release.ts'
import type { Rollout } from '../../model/rollout.ts'
import type { EnvironmentState } from '../environment/environment-state.ts'
import { type EventStream, redactedFailure } from '../event-stream.ts'
import type { Place } from '../place.ts'
import { Probing } from './probing.ts'

/** Thrown into a long step, so that an abort or a newer deploy need not wait for it. */
export class Interrupted extends Error {}

/** The releases that a rollout is between. */
export interface Between {
  readonly to: Release
  /** null: nothing ran before. */
  readonly from: Release | null
}

/** A rollout that this process carries out. Each change of its record is remembered before it counts. */
export class ActiveRollout {
  readonly place: Place
  readonly to: Release
  readonly from: Release | null
  readonly stream: EventStream
  readonly probing: Probing
  /** Monotonic. */
  readonly beganAt: number
  /** The counts that were told last; null: none yet. */
  told: readonly RoleProgress[] | null = null
  /** The routes that this process published last, as text. */
  published = ''
  #rollout: Rollout
  #step = new AbortController()
  readonly #noted = new Set<string>()

  constructor(place: Place, rollout: Rollout, { to, from }: Between, stream: EventStream) {
    this.place = place
    this.to = to
    this.from = from
    this.stream = stream
    this.#rollout = rollout
    this.probing = new Probing(place, rollout, to)
    this.beganAt = place.clock.monotonic()
  }

  /** As remembered last. */
  get rollout(): Rollout {
    return this.#rollout
  }

  async save(state: EnvironmentState, change: Partial<Rollout>): Promise<void> {
    const rollout = { ...this.#rollout, ...change }
    const { token } = await state.lease()
    await this.place.memory.saveRollout(rollout, token)
    this.#rollout = rollout
  }

  /** The signal of the long step that begins now: also aborted by `interruptStep`. */
  stepSignal(signal: AbortSignal): AbortSignal {
    this.#step = new AbortController()
    return AbortSignal.any([signal, this.#step.signal])
  }

  /** Ends the step that may take long (unpacking an image), if it is one that may be ended. */
  interruptStep(): void {
    this.#step.abort(new Interrupted())
  }

  get isInterrupted(): boolean {
    return this.#step.signal.aborted
  }

  /** Whether nothing got further for longer than the deadline. */
  isOverdue(): boolean {
    const { progressDeadlineSeconds } = this.to.settings.rollout
    return this.place.clock.now() > this.#rollout.progressedAtMs + progressDeadlineSeconds * 1000
  }

  /** Tells something once, however often it is found. */
  noteOnce(message: string): void {
    if (this.#noted.has(message)) return
    this.#noted.add(message)
    this.stream.report({ kind: 'note', message })
  }

  /** A failure as it may be kept: without values of secrets. */
  redacted(failure: FailureReport): FailureReport {
    return redactedFailure(failure, this.stream.redact)
  }

  /** This process does no more for it: its prober is left to whoever goes on. */
  letGo(): void {
    this.#step.abort(new Interrupted())
    this.probing.letGo()
  }
}
