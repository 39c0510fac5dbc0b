import type { Server } from 'node:net'
import { HandleSocket } from './handle-socket.ts'
import type { InternalHandles, ListeningHandle } from '../../os/internal-handles.ts'
import type { Sockets } from './relay-socket.ts'

/** What listens in a server: `node:net` has it as a property that its types leave out. */
export const handleOf = (server: Server): ListeningHandle =>
  (server as unknown as { readonly _handle: ListeningHandle })._handle

/** Sockets on Node's own handles. */
export const handleSockets = (node: InternalHandles): Sockets => ({
  name: 'handles',
  serve: (server, taken) => {
    // Takes the place of the handler of node:net, which would make a socket with streams.
    handleOf(server).onconnection = (status, handle) => {
      // Out of file descriptors and the like: the connection stays in the kernel's queue or is gone; there is nobody to tell.
      if (status === 0 && handle !== undefined) taken((owner) => new HandleSocket(node, handle, owner))
    }
  },
  connect: (address, owner) => HandleSocket.connect(node, address, owner),
})
