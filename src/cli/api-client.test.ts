import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { FAILURES } from '../model/failure.ts'
import { ApiClient } from './api-client.ts'

const signal = AbortSignal.timeout(30_000)

async function serverThat(does: (socket: Socket) => void): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer(does).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const asked = (url: string) => new ApiClient({ kind: 'url', url, token: null }).post('/v1/deploys', {}, signal)

describe('a server that does not answer', () => {
  it('was asked for nothing when no connection was made', async () => {
    const { server, url } = await serverThat(() => {})
    server.close()
    await once(server, 'close')
    await expect(asked(url)).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' })
    expect(FAILURES.SERVER_UNREACHABLE.exit).toBe(10)
  })

  it.each([
    ['breaks before it answers', (socket: Socket) => void socket.once('data', () => socket.destroy())],
    [
      'breaks within its answer',
      (socket: Socket) => void socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{')),
    ],
  ])('may have begun what it was asked for when the connection %s', async (_, does) => {
    const { url } = await serverThat(does)
    await expect(asked(url)).rejects.toMatchObject({ code: 'SERVER_LOST' })
  })
})
