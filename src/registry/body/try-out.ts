import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { InternalHandles } from '../../os/internal-handles.ts'
import type { Sink } from './inflow.ts'
import { requestBody } from './request-body.ts'

/** More than is read at once before it goes straight to its place. */
const WORD = Buffer.alloc(300 * 1024, 'naru ')
/** On a machine that is only busy it must not run out. */
const TIMEOUT_MS = 5000

/**
 * Sends large bodies over the loopback, in both framings on one connection, and has them taken from the handle. Null: all of it was as it
 * should be; else what was not, in words.
 */
export async function tryOut(node: InternalHandles): Promise<string | null> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const sockets = new Set<unknown>()
  const server = createServer((asked, answer) => {
    sockets.add(asked.socket)
    const body = new Held()
    const taken = requestBody(asked, node, async () => true).into(body)
    taken.then(
      () => answer.end(body.bytes),
      () => answer.destroy(),
    )
  })
  try {
    await once(server.listen(0, '127.0.0.1'), 'listening', { signal })
    const { port } = server.address() as AddressInfo
    for (const headers of [{ 'Content-Length': WORD.length }, {}, { 'Content-Length': WORD.length }]) {
      const sent = request({ host: '127.0.0.1', port, method: 'PUT', agent, headers, signal }).end(WORD)
      const [answer] = (await once(sent, 'response', { signal })) as [IncomingMessage]
      if (!Buffer.concat(await answer.toArray({ signal })).equals(WORD)) return 'a body came as another'
    }
    return sockets.size === 1 ? null : 'a connection did not go on'
  } catch (failed) {
    return signal.aborted ? `no answer within ${TIMEOUT_MS} ms` : (failed as Error).message
  } finally {
    agent.destroy()
    server.close().closeAllConnections()
  }
}

/** Takes a body of one word. */
class Held implements Sink {
  readonly isBusy = false
  readonly #memory = Buffer.alloc(2 * WORD.length)
  #filled = 0

  get space(): Buffer {
    return this.#memory.subarray(this.#filled)
  }

  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#filled)
  }

  took(bytes: number): void {
    this.#filled += bytes
  }

  async settled(): Promise<void> {}
}
