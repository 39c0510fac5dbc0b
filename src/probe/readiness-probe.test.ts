import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { HealthCheck } from '../model/app.ts'
import { systemClock } from '../os/system-clock.ts'
import { readinessProbe } from './readiness-probe.ts'

const HTTP: HealthCheck = { kind: 'http', path: '/healthz', port: null, host: null, expect: null }
const TCP: HealthCheck = { kind: 'tcp', port: null }
const open: Server[] = []

async function listen(server: Server): Promise<{ host: string; port: number }> {
  open.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return { host: '127.0.0.1', port: typeof address === 'object' && address !== null ? address.port : 0 }
}
const answering = (answer: (request: IncomingMessage, response: ServerResponse) => void) =>
  listen(createHttpServer(answer))
const check = (address: { host: string; port: number }, how: HealthCheck, timeoutMs = 5000) =>
  readinessProbe(systemClock).check(address, how, timeoutMs, AbortSignal.timeout(20_000))

afterEach(() => {
  for (const server of open.splice(0)) server.close()
})

describe('readinessProbe', () => {
  it.each([
    [200, {}, HTTP, null],
    [204, {}, HTTP, null],
    [500, {}, HTTP, { reason: 'status', status: 500, message: '/healthz answered 500' }],
    [403, {}, HTTP, { reason: 'status', status: 403 }],
    [301, { location: 'https://shop/' }, HTTP, { reason: 'redirect', status: 301 }],
    [401, {}, { ...HTTP, expect: [401] }, null],
    [200, {}, { ...HTTP, expect: [401] }, { reason: 'status', status: 200 }],
  ] as const)('reads %i %j', async (status, headers, how, failure) => {
    const address = await answering((_request, response) => response.writeHead(status, headers).end())
    expect(await check(address, how)).toMatchObject(failure === null ? { ok: true } : { ok: false, ...failure })
  })

  it('sends the wanted Host and says that the request came by http', async () => {
    let seen: IncomingMessage['headers'] = {}
    const address = await answering((request, response) => {
      seen = request.headers
      response.end()
    })
    await check(address, { ...HTTP, host: 'shop.example.com' })
    expect(seen).toMatchObject({ host: 'shop.example.com', 'x-forwarded-proto': 'http' })
    await check(address, HTTP)
    expect(seen.host).toBe(`127.0.0.1:${address.port}`)
  })

  it('tells a refused, a reset and a silent port, and one that speaks something else', async () => {
    const silent = await listen(createServer(() => {}))
    const resetting = await listen(createServer((socket) => socket.resetAndDestroy()))
    const other = await listen(createServer((socket) => socket.end('SSH-2.0\r\n')))
    const gone = createServer()
    const refused = await listen(gone)
    await new Promise((resolve) => gone.close(resolve))
    expect(await check(silent, HTTP, 50)).toMatchObject({ reason: 'timeout' })
    expect(await check(resetting, HTTP)).toMatchObject({ reason: 'reset' })
    expect(await check(other, HTTP)).toMatchObject({ reason: 'protocol' })
    expect(await check(refused, HTTP)).toMatchObject({
      reason: 'refused',
      message: `connection refused on port ${refused.port}`,
    })
    expect(await check(refused, TCP)).toMatchObject({ reason: 'refused' })
    expect(await check(silent, TCP)).toMatchObject({ ok: true })
  })

  it('throws when it is aborted', async () => {
    const silent = await listen(createServer(() => {}))
    const asked = readinessProbe(systemClock).check(silent, HTTP, 5000, AbortSignal.timeout(20))
    await expect(asked).rejects.toMatchObject({ name: 'TimeoutError' })
  })
})
