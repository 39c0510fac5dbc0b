import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../../lib/clock.ts'
import { systemClock } from '../../os/system-clock.ts'
import type { Credentials, CredentialsOf } from './logins/credentials.ts'
import { registryClient } from './registry-client.ts'

/** What ends what was played and opened. */
export const cleanups: (() => unknown)[] = []

/** Ends all that was played and opened; for afterEach. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
}

/** One request that came. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
}

/** A server that answers as the test says, and remembers what it was asked. */
export async function play(answer: (request: IncomingMessage, response: ServerResponse, count: number) => void) {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers })
    request.on('error', () => {})
    answer(request, response, seen.length)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

/** A clock on which no time passes while the client waits; it remembers for how long it would have. */
export function anEagerClock() {
  const slept: number[] = []
  const clock: Clock = { ...systemClock, sleep: async (ms) => void slept.push(ms) }
  return { clock, slept }
}

/** A client that does not wait, and is closed by `cleanUp`. */
export function clientOf(
  host: string,
  more: {
    credentials?: Credentials
    credentialsOf?: CredentialsOf
    clock?: Clock
    stallMs?: number
    plainHttp?: boolean
  } = {},
) {
  const { credentials, credentialsOf, ...options } = more
  const client = registryClient({
    host,
    clock: anEagerClock().clock,
    random: () => 1,
    ...options,
    ...(credentials === undefined ? {} : { credentials: async () => credentials }),
    ...(credentialsOf === undefined ? {} : { credentials: credentialsOf }),
  })
  cleanups.push(() => client.close())
  return client
}
