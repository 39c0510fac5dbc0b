import type { Clock } from '../../lib/clock.ts'
import type { Event } from '../../model/event.ts'
import type { ApiClient } from '../api-client.ts'
import { resumedStream } from './resumed-stream.ts'

/**
 * The events of an operation up to its end, each once. A server that goes away in between is waited for: the operation goes
 * on when it is back, and so does the stream.
 */
export async function* followOperation(
  client: ApiClient,
  operation: string,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<Event> {
  let after = 0
  const path = () => `/v1/operations/${operation}/events?after=${after}`
  for await (const message of resumedStream(client, path, clock, signal)) {
    const event = message.data as Event
    after = event.id
    yield event
    if (event.kind === 'end') return
  }
}
