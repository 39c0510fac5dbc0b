import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { expect, it } from 'vitest'
import { ConnectionShare } from './connection-share.ts'

it('A14: gives an address no more than its share, and what it gave back again', () => {
  const share = new ConnectionShare(2)
  expect(['10.0.0.1', '10.0.0.1', '10.0.0.1', '10.0.0.2'].map((address) => share.take(address))).toEqual([
    true,
    true,
    false,
    true,
  ])
  share.give('10.0.0.1')
  expect([share.take('::ffff:10.0.0.1'), share.take('10.0.0.1')]).toEqual([true, false])
})

it('counts a network of IPv6 as one address, and this machine not at all', () => {
  const share = new ConnectionShare(1)
  expect([share.take('2001:db8::1'), share.take('2001:db8::2'), share.take('2001:db8:0:1::2')]).toEqual([
    true,
    false,
    true,
  ])
  for (const address of ['127.0.0.1', '127.0.0.1', '::1', '::1', '::ffff:127.0.0.1'])
    expect(share.take(address)).toBe(true)
})

const own = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.internal === false && address.family === 'IPv4')?.address

it.skipIf(own === undefined)(
  'closes what is over the share of a client, and lets it in again later (needs an address besides 127.0.0.1)',
  async () => {
    const server = createServer((_request, response) => response.end('ok'))
    new ConnectionShare(2).guard(server)
    await once(server.listen(0, own), 'listening')
    const { port } = server.address() as AddressInfo
    const open = () => connect(port, own ?? '').on('error', () => {})
    const within = [open(), open()]
    await Promise.all(within.map((socket) => once(socket, 'connect')))
    await once(open().resume(), 'close')
    for (const socket of within) socket.destroy()
    await expect
      .poll(() => fetch(`http://${own}:${port}/`).then((answer) => answer.text(), String), { timeout: 10_000 })
      .toBe('ok')
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  },
)
