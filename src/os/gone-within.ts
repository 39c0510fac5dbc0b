import { backoff } from '../lib/backoff.ts'
import type { Clock } from '../lib/clock.ts'
import { isAlive, type ProcessIdentity } from './process-identity.ts'

/** Waits for the end of a process, `timeoutMs` at most. False: it still runs. Throws the signal's reason. */
export async function goneWithin(
  identity: ProcessIdentity,
  timeoutMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  const deadline = clock.monotonic() + timeoutMs
  for (const delayMs of backoff(5, 100)) {
    if (!isAlive(identity)) return true
    if (clock.monotonic() > deadline) return false
    await clock.sleep(delayMs, signal)
  }
  return false
}
