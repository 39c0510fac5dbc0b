import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

type HeaderValue = string | number | readonly string[]

/** An answer that is put together, and goes out at once with `send`. */
export class Reply {
  readonly raw: ServerResponse
  readonly #headers: Record<string, string | number | string[]> = {}
  #status = 200

  constructor(raw: ServerResponse) {
    this.raw = raw
  }

  get statusCode(): number {
    return this.#status
  }

  /** Whether the status has gone out, so that nothing but the end of the connection can tell a failure. */
  get sent(): boolean {
    return this.raw.headersSent
  }

  status(status: number): this {
    this.#status = status
    return this
  }

  /** Sets a header; names are written the same way everywhere, so that one replaces the other. */
  header(name: string, value: HeaderValue): this {
    this.#headers[name] = typeof value === 'object' ? [...value] : value
    return this
  }

  headers(headers: Readonly<Record<string, HeaderValue>>): this {
    for (const [name, value] of Object.entries(headers)) this.header(name, value)
    return this
  }

  /** Takes all headers back that were set for another answer than the one that goes out now. */
  begin(): this {
    for (const name of Object.keys(this.#headers)) if (!ALWAYS.has(name)) delete this.#headers[name]
    return this
  }

  /** Sends a value as JSON. */
  json(value: object): void {
    const bytes = Buffer.from(JSON.stringify(value))
    this.header('Content-Type', 'application/json; charset=utf-8').bytes(bytes)
  }

  /** Sends these bytes, or to HEAD only how many there are. */
  bytes(bytes: Uint8Array): void {
    this.header('Content-Length', bytes.length)
    this.#writeHead()
    this.raw.end(bytes)
  }

  /** Sends no body. A length that was set is what HEAD is told. */
  send(): void {
    const bare = this.#status === 204 || this.#status === 304
    if (!bare && this.#headers['Content-Length'] === undefined) this.header('Content-Length', 0)
    this.#writeHead()
    this.raw.end()
  }

  /** Sends what a stream gives; when that fails, the connection is broken off, and the client sees that it has not all. */
  async stream(body: Readable): Promise<void> {
    this.#writeHead()
    await pipeline(body, this.raw)
  }

  /** Sends an answer whose headers were put together before, names and values in turn. */
  prepared(headers: readonly string[], bytes: Uint8Array | null): void {
    this.raw.writeHead(this.#status, headers as string[])
    if (bytes === null) this.raw.end()
    else this.raw.end(bytes)
  }

  /** Sends status and headers; the caller sends the rest. */
  head(): ServerResponse {
    this.#writeHead()
    return this.raw
  }

  #writeHead(): void {
    this.raw.writeHead(this.#status, this.#headers)
  }
}

/** What every answer says. */
export const API_VERSION = ['Docker-Distribution-Api-Version', 'registry/2.0'] as const
const ALWAYS: ReadonlySet<string> = new Set([API_VERSION[0]])

/** The reply to a request of the registry. */
export const replyTo = (raw: ServerResponse): Reply => new Reply(raw).header(...API_VERSION)
