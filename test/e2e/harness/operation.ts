import { followOperation } from '../../../src/cli/operation/follow-operation.ts'
import type { ApiClient } from '../../../src/cli/api-client.ts'
import type { Event } from '../../../src/model/event.ts'
import type { FailureReport } from '../../../src/model/failure.ts'
import type { Receipt } from '../../../src/model/receipt.ts'
import { systemClock } from '../../../src/os/system-clock.ts'

type EndEvent = Extract<Event, { kind: 'end' }>

/** An operation as it ended. */
export interface Ended {
  readonly events: readonly Event[]
  readonly end: EndEvent
  readonly exit: number
  readonly receipt: Receipt | null
  readonly failures: readonly FailureReport[]
}

/** Follows an operation to its end, across servers that come and go. `onEvent` sees each event once. */
export async function follow(
  client: ApiClient,
  operation: string,
  onEvent: (event: Event) => void = () => {},
  timeoutMs = 110_000,
): Promise<Ended> {
  const events: Event[] = []
  try {
    for await (const event of followOperation(client, operation, systemClock, AbortSignal.timeout(timeoutMs))) {
      events.push(event)
      onEvent(event)
    }
  } catch (failed) {
    throw new Error(`operation ${operation} did not end:\n${renderEvents(events)}`, { cause: failed })
  }
  const end = events.at(-1)
  if (end?.kind !== 'end') throw new Error(`the stream ended without an end:\n${renderEvents(events)}`)
  const failures = events.flatMap((event) => (event.kind === 'failure' ? [event.failure] : []))
  return { events, end, exit: end.exit, receipt: end.receipt, failures }
}

/** Events for people who look into a failed test. */
export function renderEvents(events: readonly Event[]): string {
  const start = events[0]?.atMs ?? 0
  return events
    .filter(({ kind }) => kind !== 'router')
    .map(({ app: _app, environment: _environment, operation: _operation, atMs, kind, id, ...more }) => {
      const text = JSON.stringify(more, (key, value: unknown) => (key === 'timeline' ? undefined : value))
      return `${String(atMs - start).padStart(6)} ms ${id} ${kind} ${text}`
    })
    .join('\n')
}
