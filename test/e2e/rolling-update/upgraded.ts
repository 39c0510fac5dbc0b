import { request } from 'node:http'
import type { Duplex } from 'node:stream'

/** A connection that began as HTTP and is none any more, as that of a WebSocket. */
export class Upgraded {
  readonly #socket: Duplex
  readonly #ended: Promise<string>

  private constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket
    this.#ended = new Promise((resolve, reject) => {
      let text = head.toString('utf8')
      socket.setEncoding('utf8')
      socket.on('data', (chunk: string) => {
        text += chunk
      })
      socket.once('end', () => {
        socket.end()
        resolve(text)
      })
      socket.once('error', reject)
    })
    this.#ended.catch(() => {})
  }

  static open(url: string): Promise<Upgraded> {
    return new Promise((resolve, reject) => {
      const asked = request(url, { headers: { connection: 'upgrade', upgrade: 'echo' } })
      asked.once('upgrade', (_response, socket, head) => resolve(new Upgraded(socket, head)))
      asked.once('error', reject)
      asked.end()
    })
  }

  send(text: string): void {
    this.#socket.write(text)
  }

  /** Everything that came, once the other side has ended in order. Rejects when it was cut. */
  end(): Promise<string> {
    return this.#ended
  }
}
