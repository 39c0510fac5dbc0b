import { Agent, type IncomingMessage, request } from 'node:http'
import type { LostReason } from '../model/receipt.ts'

/** How one request ended, and from which local port it was sent (0: it never had one). */
export type RequestEnd =
  | { readonly kind: 'answered'; readonly port: number; readonly status: number }
  | { readonly kind: 'lost'; readonly port: number; readonly reason: LostReason }

/** One cookie jar for all requests, so that a session is never pinned to an old version (design.md section 3). */
export class CookieJar {
  readonly #cookies = new Map<string, string>()

  get header(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  take(lines: readonly string[]): void {
    for (const line of lines) {
      const [pair = ''] = line.split(';')
      const equals = pair.indexOf('=')
      if (equals > 0 && this.#cookies.size < 50)
        this.#cookies.set(pair.slice(0, equals).trim(), pair.slice(equals + 1).trim())
    }
  }
}

export interface Sender {
  send(): Promise<RequestEnd>
  close(): void
}

/** Sends GETs, every other one on a connection of its own, the rest on kept ones: both kinds of clients are lost in different ways. */
export function requestSender(url: string, host: string | null, timeoutMs: number): Sender {
  // Few, and used in turn: a kept connection that is never used again would hold a draining replica until its grace period ends.
  const kept = new Agent({ keepAlive: true, maxSockets: 64, maxFreeSockets: 2, scheduling: 'fifo' })
  const jar = new CookieJar()
  let count = 0
  return {
    close: () => kept.destroy(),
    send: () => sendOne(url, host, timeoutMs, count++ % 2 === 0 ? kept : false, jar),
  }
}

function sendOne(
  url: string,
  host: string | null,
  timeoutMs: number,
  agent: Agent | false,
  jar: CookieJar,
): Promise<RequestEnd> {
  return new Promise((resolve) => {
    let port = 0
    const cookie = jar.header
    const headers = {
      'user-agent': 'naru-receipt',
      accept: '*/*',
      ...(host === null ? {} : { host, 'x-forwarded-proto': 'http' }),
      ...(cookie === '' ? {} : { cookie }),
    }
    const asked = request(url, { agent, headers })
    const lose = (reason: LostReason) => {
      clearTimeout(timer)
      resolve({ kind: 'lost', port, reason })
      asked.destroy()
    }
    const timer = setTimeout(() => lose('timeout'), timeoutMs)
    asked.on('socket', (socket) => {
      port = socket.localPort ?? 0
      socket.once('connect', () => {
        port = socket.localPort ?? 0
      })
    })
    asked.on('error', (failed: NodeJS.ErrnoException) => lose(failed.code === 'ECONNREFUSED' ? 'refused' : 'reset'))
    asked.on('response', (response: IncomingMessage) => {
      jar.take(response.headers['set-cookie'] ?? [])
      response.on('error', () => lose('incomplete'))
      response.on('end', () => {
        clearTimeout(timer)
        const status = response.statusCode ?? 0
        if (!response.complete) lose('incomplete')
        else resolve(status >= 500 ? { kind: 'lost', port, reason: 'status-5xx' } : { kind: 'answered', port, status })
      })
      response.resume()
    })
    asked.end()
  })
}
