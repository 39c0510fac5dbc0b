import { join } from 'node:path'
import { backoff } from '../../../lib/backoff.ts'
import { failureError, type FailureReport } from '../../../model/failure.ts'
import { type KeepAnswer, type KeepRequest, ROUTER_CHANNEL_VERSION } from '../../../model/router-channel.ts'
import { connectLines, type LineClient, LineFailure } from '../../../os/line-socket.ts'
import { isAlive, type ProcessIdentity } from '../../../os/process-identity.ts'
import { systemClock } from '../../../os/system-clock.ts'
import { keeperLog } from './handover.ts'
import type { Ledger } from './ledger.ts'

const CONNECT_TIMEOUT_MS = 2000
/** Node starts within it also on a machine that is very busy. */
const REACH_TIMEOUT_MS = 5000
const START_TIMEOUT_MS = 20_000

/**
 * When a keeper was killed, its router has the only copies of the listening sockets, and Node passes sockets between parent and child alone.
 * So the router is asked to start this keeper once more, as its child. True: it waits for the ledger, which is closed now, and goes on
 * with the sockets. False: there is no such router, or it cannot; it is left alone.
 */
export async function startedByRouter(
  ledger: Ledger,
  folder: string,
  complain: (thrown: unknown) => void,
): Promise<boolean> {
  const known = ledger.router()
  const router = known === null ? null : await reached(known, join(folder, 'router.sock'))
  if (router === null) return false
  try {
    const isStarted = await asked(router, folder)
    if (isStarted) ledger.close()
    return isStarted
  } catch (failed) {
    complain(failed instanceof LineFailure ? failureError(failed.failure as FailureReport) : failed)
    return false
  } finally {
    // This tells the router that the ledger is free.
    router.close()
  }
}

/** A router that its keeper started just before it was killed is not there at once. null: it is gone, or does not answer. */
async function reached(router: ProcessIdentity, socket: string): Promise<LineClient | null> {
  const deadline = systemClock.monotonic() + REACH_TIMEOUT_MS
  for (const delay of backoff(5, 50)) {
    if (!isAlive(router) || systemClock.monotonic() > deadline) return null
    try {
      return await connectLines(socket, ROUTER_CHANNEL_VERSION, CONNECT_TIMEOUT_MS)
    } catch {
      await systemClock.sleep(delay, new AbortController().signal)
    }
  }
  return null
}

async function asked(router: LineClient, folder: string): Promise<boolean> {
  if (router.peerVersion !== ROUTER_CHANNEL_VERSION) return false
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  const message: KeepRequest = { kind: 'keep', command, log: keeperLog(folder) }
  const answer = await router.request(message, AbortSignal.timeout(START_TIMEOUT_MS))
  return (answer as KeepAnswer | null) !== null
}
