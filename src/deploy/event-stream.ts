import type { Clock } from '../lib/clock.ts'
import { Signal } from '../lib/signal.ts'
import type { Scope } from '../model/app.ts'
import type { Event, Happening, Report } from '../model/event.ts'
import type { FailureReport } from '../model/failure.ts'
import type { Memory } from '../memory/memory.ts'

/** Takes secret values out of a text; made from the secrets that the operation opened. */
export type Redact = (text: string) => string

/** How long an event may be only in memory: a killed server loses no more of the story. */
const SAVE_WITHIN_MS = 100

/**
 * The numbers after the last remembered event may have been told for events that died with their server: one that goes on
 * with the stream begins beyond them, so that nobody who resumes it takes new events for old ones.
 */
const MAY_BE_TOLD = 10_000

/** What a stream is made of. */
export interface StreamOf {
  readonly scope: Scope
  readonly operation: string
  readonly memory: Memory
  readonly clock: Clock
  /** Counts up with the operations that one server was asked for; 0: an earlier server was. */
  readonly order: number
  readonly past: readonly Event[]
  /** What an interrupted operation told of the same rollout; told by its own stream, and part of the receipt. */
  readonly earlier?: readonly Event[]
  /** Called when the last event is durable. */
  onEnd(stream: EventStream): void
  /** Called when a station was reached or left. */
  onStation?(): void
}

/**
 * The stream of one operation: numbered, redacted, remembered in batches, and followed by whoever asks, also from the middle
 * and after a restart of the server.
 */
export class EventStream {
  readonly scope: Scope
  readonly operation: string
  readonly order: number
  /** The rollout that the operation became; stamped on each event from then on. */
  rollout: number | null
  /** Replaced when the operation opens secrets: nothing reported later shows their values. */
  redact: Redact = (text) => text
  readonly #of: StreamOf
  readonly #changed = new Signal()
  readonly #events: Event[]
  #saved: number
  #lastId: number
  #saving: Promise<void> = Promise.resolve()
  #isSaveDue = false

  constructor(of: StreamOf) {
    this.scope = of.scope
    this.operation = of.operation
    this.order = of.order
    this.#of = of
    this.#events = [...of.past]
    this.#saved = of.past.length
    this.#lastId = (of.past.at(-1)?.id ?? 0) + (of.order === 0 ? MAY_BE_TOLD : 0)
    this.rollout = of.past.at(-1)?.rollout ?? null
  }

  /** All events of its rollout so far, in order. */
  get events(): readonly Event[] {
    const { earlier = [] } = this.#of
    return earlier.length === 0 ? this.#events : [...earlier, ...this.#events]
  }

  /** Whether the last event has come. */
  get ended(): boolean {
    return this.#events.at(-1)?.kind === 'end'
  }

  /** Appends one happening. After the end nothing is appended any more. */
  readonly report: Report = (happening) => {
    if (this.ended) return
    const { app, environment } = this.scope
    this.#lastId++
    const frame = { app, environment, id: this.#lastId, atMs: this.#of.clock.now() }
    const shown = redacted(happening, this.redact)
    this.#events.push({ ...frame, operation: this.operation, rollout: this.rollout, ...shown })
    this.#changed.notify()
    if (happening.kind === 'station') this.#of.onStation?.()
    this.#saveSoon()
  }

  /** Makes everything reported so far durable. */
  flush(): Promise<void> {
    this.#saving = this.#saving.catch(() => {}).then(() => this.#save())
    return this.#saving
  }

  /** Events after an id, then the ones to come; ends after the `end` event. */
  async *follow(afterId: number, signal: AbortSignal): AsyncIterable<Event> {
    let next = this.#events.findLastIndex(({ id }) => id <= afterId) + 1
    while (true) {
      const mark = this.#changed.mark
      for (const event of this.#events.slice(next)) {
        yield event
        next++
      }
      if (this.ended) return
      await this.#changed.wait(mark, Number.POSITIVE_INFINITY, signal)
    }
  }

  async #save(): Promise<void> {
    const fresh = this.#events.slice(this.#saved)
    if (fresh.length === 0) return
    await this.#of.memory.appendEvents(this.operation, fresh)
    this.#saved += fresh.length
    if (this.ended) this.#of.onEnd(this)
  }

  /** In the background: whoever must know that it is durable flushes, and is told of failures. */
  #saveSoon(): void {
    if (this.#isSaveDue) return
    this.#isSaveDue = true
    const never = new AbortController().signal
    this.#of.clock
      .sleep(SAVE_WITHIN_MS, never)
      .then(() => {
        this.#isSaveDue = false
        return this.flush()
      })
      .catch(() => {})
  }
}

/** Only texts that come from programs and failures can carry a secret: those are redacted, numbers and names are not touched. */
function redacted(happening: Happening, redact: Redact): Happening {
  if (happening.kind === 'log') return { ...happening, line: redact(happening.line) }
  if (happening.kind === 'note') return { ...happening, message: redact(happening.message) }
  if (happening.kind !== 'failure') return happening
  return { ...happening, failure: redactedFailure(happening.failure, redact) }
}

/** A failure without secrets: also its facts, which may hold the last lines of a log. */
export function redactedFailure(failure: FailureReport, redact: Redact): FailureReport {
  const detail = Object.entries(failure.detail).map(([key, fact]) => [
    key,
    typeof fact === 'string' ? redact(fact) : fact,
  ])
  return {
    ...failure,
    message: redact(failure.message),
    hint: redact(failure.hint),
    detail: Object.fromEntries(detail) as FailureReport['detail'],
  }
}
