import { type IncomingMessage, request } from 'node:http'
import type { Event } from '../../../src/model/event.ts'

/** Longer than any operation of a measurement. */
const TIMEOUT_MS = 120_000

/** The API of a server on this machine, over its unix socket: as small as a client can be, so that it is none of what is measured. */
export class LocalApi {
  readonly #socket: string

  constructor(socket: string) {
    this.#socket = socket
  }

  async post<T>(path: string, body: object): Promise<T> {
    const answer = await this.#send('POST', path, JSON.stringify(body))
    const text = await textOf(answer)
    if (answer.statusCode === undefined || answer.statusCode > 299) throw new Error(`${path}: ${text}`)
    return JSON.parse(text) as T
  }

  /** All events of an operation, when it has ended. */
  async events(operation: string): Promise<readonly Event[]> {
    const text = await textOf(await this.#send('GET', `/v1/operations/${operation}/events?after=0`, null))
    const lines = text.split('\n').filter((line) => line.startsWith('data:'))
    return lines.map((line) => JSON.parse(line.slice('data:'.length)) as Event)
  }

  #send(method: string, path: string, body: string | null): Promise<IncomingMessage> {
    const headers: Record<string, string> = { accept: 'application/json, text/event-stream' }
    if (body !== null) headers['content-type'] = 'application/json'
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.#socket, method, path, headers, signal, agent: false }, resolve)
      asked.on('error', reject)
      asked.end(body)
    })
  }
}

async function textOf(message: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of message.setEncoding('utf8')) text += chunk as string
  return text
}
