import { connect } from 'node:net'

/** Whether something takes a connection there within the time. Nothing is sent. */
export function isReachable(
  address: { readonly host: string; readonly port: number },
  timeoutMs: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address.host, port: address.port })
    const end = (reachable: boolean) => {
      // A reset leaves nothing open at a target that waits for the other's last word.
      socket.resetAndDestroy()
      resolve(reachable)
    }
    // A process that had to wait for the processor hears of the time first, and of a connect that succeeded long ago after it.
    socket.setTimeout(timeoutMs, () => setImmediate(() => end(false)))
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}
