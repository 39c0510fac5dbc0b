import type { Clock } from '../lib/clock.ts'
import { Signal } from '../lib/signal.ts'
import type { Scope } from '../model/app.ts'
import type { Event, Happening, Report } from '../model/event.ts'
import type { Memory } from '../memory/memory.ts'

/** Takes secret values out of a text; made from the secrets that the operation opened. */
export type Redact = (text: string) => string

/**
 * The stream of one operation: numbered, redacted, remembered in batches, and followed by whoever asks, also from the middle
 * and after a restart of the server.
 */
export class EventStream {
  readonly scope: Scope
  readonly operation: string
  /** The rollout that the operation became; stamped on each event from then on. */
  rollout: number | null = null
  /** Replaced when the operation opens secrets: nothing reported later shows their values. */
  redact: Redact = (text) => text
  readonly #memory: Memory
  readonly #clock: Clock
  readonly #changed = new Signal()
  readonly #events: Event[] = []
  #saved = 0
  #saving: Promise<void> = Promise.resolve()

  constructor(scope: Scope, operation: string, memory: Memory, clock: Clock, past: readonly Event[] = []) {
    this.scope = scope
    this.operation = operation
    this.#memory = memory
    this.#clock = clock
    this.#events.push(...past)
    this.#saved = past.length
    this.rollout = past.at(-1)?.rollout ?? null
  }

  /** All events so far, in order. */
  get events(): readonly Event[] {
    return this.#events
  }

  /** Whether the last event has come. */
  get ended(): boolean {
    return this.#events.at(-1)?.kind === 'end'
  }

  /** Appends one happening. After the end nothing is appended any more. */
  readonly report: Report = (happening) => {
    if (this.ended) return
    const { app, environment } = this.scope
    const frame = { app, environment, id: this.#events.length + 1, atMs: this.#clock.now() }
    const shown = redacted(happening, this.redact)
    this.#events.push({ ...frame, operation: this.operation, rollout: this.rollout, ...shown })
    this.#changed.notify()
  }

  /** Makes everything reported so far durable. */
  flush(): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      const fresh = this.#events.slice(this.#saved)
      if (fresh.length === 0) return
      await this.#memory.appendEvents(this.operation, fresh)
      this.#saved += fresh.length
    })
    return this.#saving
  }

  /** Events after an id, then the ones to come; ends after the `end` event. */
  async *follow(afterId: number, signal: AbortSignal): AsyncIterable<Event> {
    let next = afterId
    while (true) {
      const mark = this.#changed.mark
      for (const event of this.#events.slice(next)) {
        yield event
        next = event.id
      }
      if (this.ended) return
      await this.#changed.wait(mark, Number.POSITIVE_INFINITY, signal)
    }
  }
}

/** Only texts that come from programs and failures can carry a secret: those are redacted, numbers and names are not touched. */
function redacted(happening: Happening, redact: Redact): Happening {
  if (happening.kind === 'log') return { ...happening, line: redact(happening.line) }
  if (happening.kind !== 'failure') return happening
  const { message, hint } = happening.failure
  return { ...happening, failure: { ...happening.failure, message: redact(message), hint: redact(hint) } }
}
