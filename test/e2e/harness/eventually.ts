import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Tries until `check` no longer throws; answers what it answered, or throws its last error. Also for commands that run
 * without vitest, whose own `waitFor` works only under it.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { timeout, interval = 30 }: { readonly timeout: number; readonly interval?: number },
): Promise<T> {
  const until = performance.now() + timeout
  while (true) {
    try {
      return await check()
    } catch (failed) {
      if (performance.now() > until) throw failed
    }
    await sleep(interval)
  }
}
