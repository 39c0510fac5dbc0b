import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { createHash } from 'node:crypto'
import type { BodyOf } from './choose-bodies.ts'
import type { Sink } from './inflow.ts'

/** Takes bytes as a file would: a piece at a time, which takes a moment to be written. */
export class Hashing implements Sink {
  readonly #memory: Buffer
  readonly #hash = createHash('sha256')
  readonly #most: number
  #filled = 0
  #writing: Promise<void> | null = null
  size = 0

  constructor(most = Number.POSITIVE_INFINITY, piece = 128 * 1024) {
    this.#most = most
    this.#memory = Buffer.alloc(piece)
  }

  get space(): Buffer {
    return this.#memory.subarray(this.#filled)
  }

  get isBusy(): boolean {
    return this.#writing !== null
  }

  took(bytes: number): void {
    if (this.size + bytes > this.#most) throw new Error(`more than ${this.#most} bytes`)
    this.#hash.update(this.space.subarray(0, bytes))
    this.size += bytes
    this.#filled += bytes
    if (this.#filled < this.#memory.length) return
    this.#filled = 0
    this.#writing = new Promise((written) => setImmediate(written)).then(() => {
      // What was still being read from is now overwritten.
      this.#memory.fill(0)
      this.#writing = null
    })
  }

  async settled(): Promise<void> {
    await this.#writing
  }

  digest(): string {
    return this.#hash.copy().digest('hex')
  }
}

export const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** What became of one body. */
export interface Taken {
  readonly size: number
  readonly failed: string | null
  /** Whether Node gave none of it as a stream. */
  readonly isQuiet: boolean
}

/** A server that answers each request with the digest of its body, or 413 with what went wrong (or that it is unwanted, as its header says); GET with `ok`. */
export async function aServer(bodyOf: BodyOf, { most = Number.POSITIVE_INFINITY, stallMs = 0 } = {}) {
  const taken: Taken[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    request.socket.setTimeout(stallMs)
    const inflow = bodyOf(request)
    const sink = new Hashing(most)
    const tell = (failed: string | null) => taken.push({ size: sink.size, failed, isQuiet: !request.readableDidRead })
    // As a gate would.
    await Promise.resolve()
    try {
      if (request.headers.unwanted !== undefined) throw new Error('unwanted')
      await inflow.into(sink)
      tell(null)
      response.end(request.method === 'GET' ? 'ok' : sink.digest())
    } catch (failed) {
      const { message } = failed as Error
      tell(message)
      request.resume()
      response.writeHead(413).end(message)
    }
  }
  const server = createServer((request, response) => void answer(request, response))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return {
    taken,
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

/** A client that writes what it is told to, and hears answers. */
export class RawClient implements Disposable {
  readonly socket: Socket
  #heard = ''
  #ended = false

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1').setNoDelay(true)
    this.socket.on('data', (bytes) => {
      this.#heard += bytes.toString('latin1')
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.#ended = true
    })
  }

  /** How often it was told to go on. */
  get continued(): number {
    return this.#heard.split('HTTP/1.1 100 ').length - 1
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Status lines and bodies of all answers so far, but for `100 Continue`. */
  get answers(): readonly string[] {
    const heads = this.#heard.split(/(?=HTTP\/1\.1 \d{3} )/)
    return heads
      .filter((each) => each.startsWith('HTTP/1.1') && !each.startsWith('HTTP/1.1 100'))
      .map((each) => `${each.slice(9, 12)} ${bodyIn(each)}`)
  }

  /** Writes these bytes in parts of such sizes, waiting where the other side is slow. */
  async write(bytes: Uint8Array, sizes: readonly number[] = [bytes.length]): Promise<void> {
    for (let at = 0, n = 0; at < bytes.length; n++) {
      const part = bytes.subarray(at, at + (sizes[n % sizes.length] ?? bytes.length))
      at += part.length
      if (!this.socket.write(part)) await once(this.socket, 'drain')
      if (part.length < 100) await new Promise(setImmediate)
    }
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}

/** The body of an answer, whatever its framing. */
function bodyIn(answer: string): string {
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4)
  return /^transfer-encoding: chunked/im.test(answer)
    ? (/^[0-9a-f]+\r\n([\s\S]*?)\r\n0\r\n/.exec(body)?.[1] ?? '')
    : body
}

/** The head and body of a request, framed by its length. */
export const withLength = (body: Uint8Array, headers = ''): Buffer =>
  Buffer.concat([Buffer.from(`PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n${headers}\r\n`), body])

/** The head and body of a request, in chunks of so many bytes. */
export function inChunks(body: Uint8Array, size: number, headers = ''): Buffer {
  const parts = [Buffer.from(`PATCH /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n${headers}\r\n`)]
  for (let at = 0; at < body.length; at += size) {
    const part = body.subarray(at, at + size)
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), Buffer.from(part), Buffer.from('\r\n'))
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])
}
