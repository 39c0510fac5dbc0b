import { connect, type Socket } from 'node:net'

/**
 * A connect that takes this long was not answered, and the kernel asks again only after a second. Another source port often gets through at
 * once: a Linux whose TCP timestamps differ by port refuses one on which it remembers a connection that was redirected to the same target.
 */
const AGAIN_MS = 200

/** Whether something takes a connection there within the time. Nothing is sent. */
export function isReachable(
  address: { readonly host: string; readonly port: number },
  timeoutMs: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const sockets: Socket[] = []
    const end = (reachable: boolean) => {
      clearInterval(again)
      clearTimeout(late)
      for (const socket of sockets) {
        if (socket.connecting) socket.destroy()
        // A reset leaves nothing open at a target that waits for the other's last word.
        else socket.resetAndDestroy()
      }
      resolve(reachable)
    }
    const attempt = () => {
      const socket = connect({ host: address.host, port: address.port })
      socket.once('connect', () => end(true))
      socket.once('error', () => end(false))
      sockets.push(socket)
    }
    const again = setInterval(attempt, AGAIN_MS)
    // A process that had to wait for the processor hears of the time first, and of a connect that succeeded long ago after it.
    const late = setTimeout(() => setImmediate(() => end(false)), timeoutMs)
    attempt()
  })
}
