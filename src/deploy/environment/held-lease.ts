import type { Clock } from '../../lib/clock.ts'
import type { Scope } from '../../model/app.ts'
import type { FencingToken } from '../../model/rollout.ts'
import type { Memory } from '../../memory/memory.ts'

/** Long enough that a busy machine renews in time, short enough that a successor elsewhere does not wait for a minute. */
const TTL_MS = 15_000

/** A lease that renews itself until it is released or lost. `lost` is aborted with the reason when another took it. */
export interface HeldLease {
  readonly token: FencingToken
  readonly lost: AbortSignal
  release(): Promise<void>
}

/** Takes the lease of a scope. Throws LEASE_HELD, with who has it. */
export async function holdLease(memory: Memory, scope: Scope, holder: string, clock: Clock): Promise<HeldLease> {
  const { token } = await memory.acquireLease(scope, holder, TTL_MS, clock.now())
  const lost = new AbortController()
  const released = new AbortController()
  const renewing = renew(memory, scope, token, clock, released.signal).catch((failed: unknown) => lost.abort(failed))
  return {
    token,
    lost: lost.signal,
    async release() {
      released.abort()
      await renewing
      await memory.releaseLease(scope, token)
    },
  }
}

async function renew(memory: Memory, scope: Scope, token: FencingToken, clock: Clock, released: AbortSignal) {
  while (true) {
    try {
      await clock.sleep(TTL_MS / 3, released)
    } catch {
      return
    }
    await memory.renewLease(scope, token, TTL_MS, clock.now())
  }
}
