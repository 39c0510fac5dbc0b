import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../lib/clock.ts'

/** The real clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (ms, signal) => {
    try {
      await delay(ms, undefined, { signal })
    } catch (aborted) {
      throw signal.aborted ? signal.reason : aborted
    }
  },
}
