import { connect, createServer, type Server } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { establishedOn, listeningPorts } from './tcp-table.ts'
import { bindSocket, canListen, type ListeningSocket, listenOnSocket } from './listening-socket.ts'

describe('bindSocket', () => {
  const open: (ListeningSocket | Server)[] = []
  afterEach(() => {
    for (const one of open.splice(0)) one.close()
  })

  it('holds an address without accepting, and lets a server accept on it', async () => {
    const socket = await bindSocket('127.0.0.1', 0)
    const server = createServer((client) => client.end('hello'))
    open.push(server)
    await listenOnSocket(server, socket.handle)
    const answer = await new Promise<string>((resolve) =>
      connect(socket.port, '127.0.0.1')
        .setEncoding('utf8')
        .once('data', (text) => resolve(String(text))),
    )
    expect(answer).toBe('hello')
    expect(listeningPorts([process.pid])).toContain(socket.port)
    expect(await canListen(socket.port)).toBe(false)
    expect(establishedOn(1)).toBe(0)
  })

  it('says EADDRINUSE at once when somebody listens there', async () => {
    const server = createServer()
    open.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await expect(bindSocket('127.0.0.1', port)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })

  it.each(['127.0.0.1', '0.0.0.0'])('sees that somebody listens on %s, and that nobody does any more', async (host) => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, host, resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    expect(await canListen(port)).toBe(false)
    await new Promise((resolve) => server.close(resolve))
    expect(await canListen(port)).toBe(true)
  })
})
