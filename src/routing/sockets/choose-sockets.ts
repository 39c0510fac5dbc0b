import { handleSockets } from './handle-sockets.ts'
import { type Binding, internalHandles } from '../../os/internal-handles.ts'
import { netSockets } from './net-sockets.ts'
import type { Sockets } from './relay-socket.ts'
import { tryOut } from './try-out.ts'

/** `handles`: Node's own, where they are as they should be; `net`: the public API, whatever is there. */
export type SocketsAsked = 'handles' | 'net'

/** The sockets of this process: on handles where their shape is known and one word came back over them, else of `node:net`; `note` is told why. */
export async function chooseSockets(
  asked: SocketsAsked,
  note: (message: string) => void,
  binding?: Binding,
): Promise<Sockets> {
  if (asked === 'net') return netSockets
  const found = internalHandles(binding)
  const sockets = typeof found === 'string' ? found : handleSockets(found)
  const wrong = typeof sockets === 'string' ? sockets : await tryOut(sockets)
  if (wrong === null && typeof sockets !== 'string') return sockets
  note(`the userland router goes by node:net: right, and slower (Node ${process.versions.node}: ${wrong})`)
  return netSockets
}
