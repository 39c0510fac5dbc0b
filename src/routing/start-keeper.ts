import { getPriority, setPriority } from 'node:os'
import { DeployError } from '../model/failure.ts'
import type { KeepAnswer, KeepRequest } from '../model/router-channel.ts'
import type { LinePeer } from '../os/line-socket.ts'
import { startReady } from '../os/ready-child.ts'
import type { KeeperChannel } from './userland/keeper-link.ts'

const READY_TIMEOUT_MS = 15_000
/** Of this process before anybody raised it. */
const OWN_PRIORITY = getPriority()

/**
 * Starts the next keeper, the last one being gone; `ready` gets the way to it when who asked has hung up (and so let go of the keeper's
 * lock, in whatever way). ENGINE_UNREACHABLE: it did not come up, and nothing has changed.
 */
export async function startKeeper(
  { command, log }: KeepRequest,
  peer: LinePeer,
  ready: (keeper: KeeperChannel) => void,
): Promise<KeepAnswer> {
  const hungUp = new Promise<void>((resolve) => peer.onClose(resolve))
  const keeper = await withOwnPriority(() => startReady(command, log, READY_TIMEOUT_MS)).catch((failed: Error) => {
    throw new DeployError('ENGINE_UNREACHABLE', `the keeper did not start: ${failed.message}`, {
      hint: `What runs goes on. Look into ${log}.`,
    })
  })
  void hungUp.then(() => ready(keeper))
  return { keeperPid: keeper.pid ?? 0 }
}

/** The keeper and what it starts must not inherit that a router in front of which the kernel redirects goes first. */
function withOwnPriority<T>(start: () => T): T {
  const raised = getPriority()
  if (raised === OWN_PRIORITY) return start()
  setPriority(OWN_PRIORITY)
  try {
    return start()
  } finally {
    setPriority(raised)
  }
}
