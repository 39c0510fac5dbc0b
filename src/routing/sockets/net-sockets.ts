import { connect } from 'node:net'
import { NetSocket } from './net-socket.ts'
import type { Sockets } from './relay-socket.ts'

/** Sockets of `node:net`. */
export const netSockets: Sockets = {
  name: 'net',
  serve: (server, taken) => {
    server.on('connection', (socket) => taken((owner) => new NetSocket(socket, owner)))
  },
  connect: ({ host, port }, owner) => new NetSocket(connect({ host, port, allowHalfOpen: true }), owner),
}
