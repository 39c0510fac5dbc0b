import { expect, it } from 'vitest'
import { handleSockets } from './handle-sockets.ts'
import { internalHandles } from '../../os/internal-handles.ts'
import { netSockets } from './net-sockets.ts'
import { describeSockets } from './relay-socket.contract.ts'

const handles = internalHandles()

it('this Node has handles as they are used here', () => {
  expect(handles).toBeTypeOf('object')
})

if (typeof handles === 'object') describeSockets("sockets on Node's own handles", handleSockets(handles))
describeSockets('sockets of node:net', netSockets)
