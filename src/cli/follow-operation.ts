import { backoff } from '../lib/backoff.ts'
import type { Clock } from '../lib/clock.ts'
import type { Event } from '../model/event.ts'
import { DeployError } from '../model/failure.ts'
import { type ApiClient, StreamCut } from './api-client.ts'

/** How long a server may be away (restarted, upgraded) before the command gives up watching. */
const AWAY_MS = 60_000

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
  let awaySince: number | null = null
  let delays = backoff(50, 1000)
  while (true) {
    try {
      for await (const message of client.stream(`/v1/operations/${operation}/events?after=${after}`, signal)) {
        awaySince = null
        delays = backoff(50, 1000)
        const event = message.data as Event
        after = event.id
        yield event
        if (event.kind === 'end') return
      }
    } catch (failed) {
      if (!isAway(failed)) throw failed
    }
    awaySince ??= clock.monotonic()
    if (clock.monotonic() - awaySince > AWAY_MS) throw gone(operation)
    await clock.sleep(delays.next().value, signal)
  }
}

const isAway = (failed: unknown): boolean =>
  failed instanceof StreamCut || (failed instanceof DeployError && failed.code === 'SERVER_UNREACHABLE')

const gone = (operation: string) =>
  new DeployError('SERVER_UNREACHABLE', `the server has been away for ${AWAY_MS / 1000} s`, {
    hint: 'The replicas go on without it. Start it again with naru server: it goes on with the rollout; watch it with naru status --watch.',
    detail: { operation },
  })
