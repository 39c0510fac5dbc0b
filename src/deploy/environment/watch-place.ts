import { backoff } from '../../lib/backoff.ts'
import type { Signal } from '../../lib/signal.ts'
import type { Scope } from '../../model/app.ts'
import type { Place } from '../place.ts'

/** Notifies at each change of replicas and targets, until the signal. It never throws. */
export async function watchPlace(place: Place, scope: Scope, changed: Signal, signal: AbortSignal): Promise<void> {
  await Promise.all([
    watch(place, () => place.engine.changes(scope, signal), changed, signal),
    watch(place, () => place.router.changes(scope, signal), changed, signal),
  ])
}

/** Yields at once, and whenever something may have changed. Ends with the signal. */
export async function* eachChange(changed: Signal, signal: AbortSignal): AsyncIterable<void> {
  while (!signal.aborted) {
    const { mark } = changed
    yield
    await changed.wait(mark, Number.POSITIVE_INFINITY, signal)
  }
}

/** A watch that breaks is begun again: what was missed meanwhile is looked for. */
async function watch(
  { clock }: Place,
  changes: () => AsyncIterable<void>,
  changed: Signal,
  signal: AbortSignal,
): Promise<void> {
  for (const delayMs of backoff(50, 2000)) {
    try {
      for await (const _change of changes()) changed.notify()
    } catch {
      changed.notify()
    }
    if (signal.aborted) return
    await clock.sleep(delayMs, signal).catch(() => {})
  }
}
