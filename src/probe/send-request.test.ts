import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { CookieJar, requestSender } from './send-request.ts'

let server: Server | null = null
afterEach(async () => {
  server?.closeAllConnections()
  await new Promise((resolve) => (server === null ? resolve(null) : server.close(resolve)))
  server = null
})

it.each([
  ['keeps what it is given', ['a=1; Path=/', 'b=2=3; HttpOnly'], 'a=1; b=2=3'],
  ['takes the newest value', ['a=1', 'a=2'], 'a=2'],
  [
    'gives back what the server takes back',
    ['a=1', 'b=2', 'a=; Max-Age=0', 'b=; expires=Thu, 01 Jan 1970 00:00:00 GMT'],
    '',
  ],
  ['keeps what has time', ['a=1; Max-Age=60', 'b=2; Expires=Fri, 01 Jan 2999 00:00:00 GMT'], 'a=1; b=2'],
  ['leaves out what is no cookie', ['', '=x', 'nothing'], ''],
])('the cookie jar %s', (_name, lines, header) => {
  const jar = new CookieJar()
  jar.take(lines)
  expect(jar.header).toBe(header)
})

it('keeps one session, names itself, and uses new and kept connections in turn', async () => {
  const seen: { cookie: string | undefined; agent: string | undefined; port: number | undefined }[] = []
  server = createServer((request, response) => {
    seen.push({ cookie: request.headers.cookie, agent: request.headers['user-agent'], port: request.socket.remotePort })
    response.setHeader('set-cookie', 'session=1').end('ok')
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const sender = requestSender(`http://127.0.0.1:${port}/`, null, 10_000)
  const ends = []
  for (let n = 0; n < 8; n++) ends.push(await sender.send())
  sender.close()
  expect(ends.map((end) => end.port)).toEqual(seen.map((request) => request.port))
  expect(seen.map(({ cookie }) => cookie)).toEqual([undefined, ...Array(7).fill('session=1')])
  expect(new Set(seen.map(({ agent }) => agent))).toEqual(new Set(['naru-receipt']))
  const kept = seen.filter((_request, index) => index % 2 === 0)
  expect(new Set(kept.map((request) => request.port)).size).toBe(1)
  expect(new Set(seen.map((request) => request.port)).size).toBe(5)
})
