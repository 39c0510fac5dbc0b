import { connect, createServer, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { parseSs, readOpenSockets } from './open-sockets.ts'
import { readSockets } from './socket-table.ts'

describe('parseSs', () => {
  it.each([
    ['ESTAB      0      0          127.0.0.1:20002      127.0.0.1:43210', 20_002, 43_210, 'ESTABLISHED', false],
    ['ESTAB 0 12 [::ffff:127.0.0.1]:20002 [::ffff:127.0.0.1]:43211  ', 20_002, 43_211, 'ESTABLISHED', true],
    ['CLOSE-WAIT 1 0 [::1]:20003 [::1]:5', 20_003, 5, 'CLOSE_WAIT', true],
    ['FIN-WAIT-1 0 1 10.0.0.1%eth0:80 10.0.0.2:6', 80, 6, 'FIN_WAIT1', true],
    ['TIME-WAIT 0 0 10.0.0.1:80 10.0.0.2:6', 80, 6, 'other', false],
  ])('reads %s', (line, localPort, remotePort, state, queued) => {
    expect(parseSs(`${line}\n`)).toEqual([{ localPort, remotePort, state, queued }])
  })
})

describe('readOpenSockets', () => {
  it('finds the connections of a port, as /proc shows them, and no others', async () => {
    const taken: Socket[] = []
    const server = createServer((socket) => taken.push(socket)).listen(0, '::')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    const clients = [connect(port, '127.0.0.1'), connect(port, '::1')]
    await Promise.all(clients.map((client) => new Promise((resolve) => client.once('connect', resolve))))
    const sockets = await readOpenSockets(new Set([port]))
    const wanted = clients.map(({ localPort }) => ({ localPort: port, remotePort: localPort, state: 'ESTABLISHED' }))
    expect(sockets).toHaveLength(2)
    expect(sockets).toEqual(expect.arrayContaining(wanted.map((each) => expect.objectContaining(each))))
    expect(readSockets(new Set([port])).filter(({ state }) => state === 'ESTABLISHED')).toHaveLength(2)
    for (const socket of [...clients, ...taken]) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })

  it('asks nobody when no port is wanted', async () => {
    expect(await readOpenSockets(new Set())).toEqual([])
  })
})
