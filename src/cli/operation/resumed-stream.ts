import { backoff } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import { DeployError, type FailureCode } from '../../model/failure.ts'
import { type ApiClient, SERVER_GONE, StreamCut, type StreamMessage } from '../api-client.ts'

/** How long a server may be away (restarted, upgraded) before the command gives up watching. */
const AWAY_MS = 60_000

/**
 * Messages of a stream that survives its server: when the connection breaks, it is asked for again at `path()`, which names
 * where to go on. It has no end of its own: whoever reads it knows the last message. Throws SERVER_LOST after a minute.
 */
export async function* resumedStream(
  client: ApiClient,
  path: () => string,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<StreamMessage> {
  let awaySince: number | null = null
  let delays = backoff(50, 1000)
  let wasCut = false
  while (true) {
    try {
      for await (const message of client.stream(path(), signal)) {
        awaySince = null
        wasCut = false
        delays = backoff(50, 1000)
        yield message
      }
    } catch (failed) {
      if (!isAway(failed)) throw failed
      wasCut ||= failed instanceof StreamCut
    }
    awaySince ??= clock.monotonic()
    if (clock.monotonic() - awaySince > AWAY_MS) throw gone()
    await client.recover(wasCut)
    await clock.sleep(delays.next().value, signal)
  }
}

const GONE: readonly FailureCode[] = [...SERVER_GONE, 'SERVER_ENDING']

const isAway = (failed: unknown): boolean =>
  failed instanceof StreamCut || (failed instanceof DeployError && GONE.includes(failed.code))

const gone = () =>
  new DeployError('SERVER_LOST', `the server has been away for ${AWAY_MS / 1000} s`, {
    hint: 'The replicas go on without it. Start it again with naru server: it goes on with the rollout; watch it with naru status --watch.',
  })
