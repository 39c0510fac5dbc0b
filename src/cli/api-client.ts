import { type IncomingMessage, request } from 'node:http'
import type { ErrorBody } from '../api/responses.ts'
import { DeployError, FAILURES, type FailureCode } from '../model/failure.ts'

/** Where the server is: its unix socket, or a URL with its token. */
export type ServerAddress =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string; readonly token: string | null }

/** One server-sent event. */
export interface StreamMessage {
  readonly id: number | null
  readonly event: string
  readonly data: unknown
}

/** The connection ended before the stream did: the server went, and may come back. */
export class StreamCut extends Error {}

/** The API, spoken over a unix socket or TCP. Failures of the server come out as the DeployErrors that they were. */
export class ApiClient {
  readonly address: ServerAddress

  constructor(address: ServerAddress) {
    this.address = address
  }

  get<T>(path: string, signal: AbortSignal): Promise<T> {
    return this.#call<T>('GET', path, undefined, signal)
  }

  post<T>(path: string, body: object, signal: AbortSignal): Promise<T> {
    return this.#call<T>('POST', path, body, signal)
  }

  put<T>(path: string, body: object, signal: AbortSignal): Promise<T> {
    return this.#call<T>('PUT', path, body, signal)
  }

  async delete(path: string, signal: AbortSignal): Promise<void> {
    await this.#call('DELETE', path, undefined, signal)
  }

  /** Messages of an event stream until its server ends it. Throws StreamCut when the connection breaks. */
  async *stream(path: string, signal: AbortSignal): AsyncGenerator<StreamMessage> {
    const response = await this.#send('GET', path, undefined, signal)
    if (response.statusCode !== 200) throw failureOf(response, await readText(response))
    const { createParser } = await import('eventsource-parser')
    const ready: StreamMessage[] = []
    const parser = createParser({
      onEvent: ({ id, event = 'message', data }) =>
        ready.push({ id: id === undefined ? null : Number(id), event, data: JSON.parse(data) as unknown }),
    })
    response.setEncoding('utf8')
    try {
      for await (const chunk of response) {
        parser.feed(chunk as string)
        yield* ready.splice(0)
      }
    } catch (cut) {
      signal.throwIfAborted()
      throw new StreamCut('the connection to the server ended', { cause: cut })
    }
  }

  async #call<T>(method: string, path: string, body: object | undefined, signal: AbortSignal): Promise<T> {
    const response = await this.#send(method, path, body, signal)
    const text = await readText(response)
    const status = response.statusCode ?? 0
    if (status < 200 || status > 299) throw failureOf(response, text)
    return (text === '' ? null : JSON.parse(text)) as T
  }

  #send(method: string, path: string, body: object | undefined, signal: AbortSignal): Promise<IncomingMessage> {
    const { address } = this
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const headers: Record<string, string> = { accept: 'application/json, text/event-stream' }
    if (payload !== undefined) headers['content-type'] = 'application/json'
    if (address.kind === 'url' && address.token !== null) headers.authorization = `Bearer ${address.token}`
    const options = { method, headers, signal, agent: false }
    return new Promise((resolve, reject) => {
      const asked =
        address.kind === 'socket'
          ? request({ ...options, socketPath: address.path, path })
          : request(new URL(path, address.url), options)
      asked.on('response', resolve)
      asked.on('error', (failed) => reject(signal.aborted ? signal.reason : unreachable(address, failed)))
      asked.end(payload)
    })
  }
}

function unreachable(address: ServerAddress, cause: Error): DeployError {
  const where = address.kind === 'socket' ? address.path : address.url
  return new DeployError('SERVER_UNREACHABLE', `no server answers on ${where}: ${cause.message}`, {
    hint: 'See what is missing with: naru doctor. Start a server with: naru server.',
    detail: { where },
    cause,
  })
}

async function readText(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8')
  let text = ''
  for await (const chunk of response) text += chunk as string
  return text
}

/** The failure that the server told; what is no failure of ours is SERVER_UNREACHABLE with the status. */
function failureOf(response: IncomingMessage, text: string): DeployError {
  try {
    const [first] = (JSON.parse(text) as ErrorBody).errors
    if (first !== undefined && Object.hasOwn(FAILURES, first.code)) {
      return new DeployError(first.code as FailureCode, first.message, { hint: first.hint, detail: first.detail })
    }
  } catch {
    // Not our error shape: told below by its status.
  }
  return new DeployError('SERVER_UNREACHABLE', `the server answered ${response.statusCode}: ${text.slice(0, 200)}`, {
    hint: 'Is this a Naru server? Compare versions with: naru version.',
  })
}
