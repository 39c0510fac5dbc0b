import http, { type IncomingMessage } from 'node:http'
import { pipeline, Readable } from 'node:stream'
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

/** Of a connection that could not be made, or did not last. */
export const SERVER_GONE: readonly FailureCode[] = ['SERVER_UNREACHABLE', 'SERVER_LOST']

/** The API, spoken over a unix socket or TCP. Failures of the server come out as the DeployErrors that they were. */
export class ApiClient {
  readonly address: ServerAddress

  constructor(address: ServerAddress) {
    this.address = address
  }

  /**
   * The server went away: does what this client can do that there is one again. It may not be there yet. `wasCut`: it was
   * killed, or the machine between; else it ended as it was told.
   */
  async recover(_wasCut: boolean): Promise<void> {}

  get<T>(path: string, signal: AbortSignal): Promise<T> {
    return this.#call<T>('GET', path, undefined, signal)
  }

  post<T>(path: string, body: object, signal: AbortSignal): Promise<T> {
    return this.#call<T>('POST', path, asJson(body), signal)
  }

  put<T>(path: string, body: object, signal: AbortSignal): Promise<T> {
    return this.#call<T>('PUT', path, asJson(body), signal)
  }

  /** Sends `size` bytes as they are. */
  putBytes<T>(path: string, content: Readable, size: number, signal: AbortSignal): Promise<T> {
    return this.#call<T>('PUT', path, { type: 'application/octet-stream', content, size }, signal)
  }

  async delete(path: string, signal: AbortSignal): Promise<void> {
    await this.#call('DELETE', path, undefined, signal)
  }

  /** Messages of an event stream until its server ends it. Throws StreamCut when the connection breaks. */
  async *stream(path: string, signal: AbortSignal): AsyncGenerator<StreamMessage> {
    const response = await this.#send('GET', path, undefined, signal)
    if (response.statusCode !== 200) throw failureOf(response, await this.#readText(response, signal))
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

  async #call<T>(method: string, path: string, body: Payload | undefined, signal: AbortSignal): Promise<T> {
    const response = await this.#send(method, path, body, signal)
    const text = await this.#readText(response, signal)
    const status = response.statusCode ?? 0
    if (status < 200 || status > 299) throw failureOf(response, text)
    return (text === '' ? null : JSON.parse(text)) as T
  }

  async #readText(response: IncomingMessage, signal: AbortSignal): Promise<string> {
    try {
      response.setEncoding('utf8')
      let text = ''
      for await (const chunk of response) text += chunk as string
      return text
    } catch (cut) {
      throw signal.aborted ? signal.reason : unreachable(this.address, cut as Error)
    }
  }

  async #send(method: string, path: string, body: Payload | undefined, signal: AbortSignal): Promise<IncomingMessage> {
    const { address } = this
    const options = { method, headers: headersFor(address, body), signal, agent: false } as const
    const overTls = address.kind === 'url' && address.url.startsWith('https:')
    const { request } = overTls ? await import('node:https') : http
    return new Promise((resolve, reject) => {
      const asked =
        address.kind === 'socket'
          ? request({ ...options, socketPath: address.path, path })
          : request(new URL(path, address.url), options)
      asked.on('response', resolve)
      asked.on('error', (failed) => reject(signal.aborted ? signal.reason : unreachable(address, failed)))
      // How sending ended is told by the answer, or by the error above where there is none.
      if (body?.content instanceof Readable) pipeline(body.content, asked, () => {})
      else asked.end(body?.content)
    })
  }
}

interface Payload {
  readonly type: string
  readonly content: string | Readable
  readonly size: number
}

function asJson(body: object): Payload {
  const content = JSON.stringify(body)
  return { type: 'application/json', content, size: Buffer.byteLength(content) }
}

function headersFor(address: ServerAddress, body: Payload | undefined): Record<string, string> {
  return {
    accept: 'application/json, text/event-stream',
    ...(body === undefined ? {} : { 'content-type': body.type, 'content-length': String(body.size) }),
    ...(address.kind === 'url' && address.token !== null ? { authorization: `Bearer ${address.token}` } : {}),
  }
}

/** No connection was made, so that nothing was asked: failures of connect(2), of names, and of TLS by OpenSSL's codes. */
const NOT_CONNECTED =
  /^(ECONNREFUSED|ENOENT|EACCES|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)$|CERT|ISSUER|SELF_SIGNED|ALTNAME/

function unreachable(address: ServerAddress, cause: NodeJS.ErrnoException): DeployError {
  const where = address.kind === 'socket' ? address.path : address.url
  if (!NOT_CONNECTED.test(cause.code ?? ''))
    return new DeployError('SERVER_LOST', `the connection to the server on ${where} broke: ${cause.message}`, {
      hint: 'What was asked for may have been begun: look with: naru status. Then ask again.',
      detail: { where },
      cause,
    })
  return new DeployError('SERVER_UNREACHABLE', `no server answers on ${where}: ${cause.message}`, {
    hint: hintFor(cause),
    detail: { where },
    cause,
  })
}

/** TLS failures have OpenSSL's names as codes (tls, "X509 certificate error codes"). */
function hintFor(cause: NodeJS.ErrnoException): string {
  return /CERT|ISSUER|SELF_SIGNED|ALTNAME/.test(cause.code ?? '')
    ? 'Is it the right name? A certificate of your own is trusted with NODE_EXTRA_CA_CERTS=FILE.'
    : 'See what is missing with: naru doctor. Start a server with: naru server.'
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
