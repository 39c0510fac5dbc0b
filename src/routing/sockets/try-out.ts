import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { RelaySocket, SocketOwner, Sockets } from './relay-socket.ts'

const WORD = Buffer.from('naru')
/** On a machine that is only busy it must not run out. */
const TIMEOUT_MS = 5000

/** Sends one word over the loopback and back, and ends both ways. Null: all of it was as it should be; else what was not, in words. */
export async function tryOut(sockets: Sockets): Promise<string | null> {
  const server = createServer()
  const ended = Promise.withResolvers<string | null>()
  const timer = setTimeout(() => ended.resolve(`no end within ${TIMEOUT_MS} ms`), TIMEOUT_MS)
  const open: RelaySocket[] = []
  try {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    sockets.serve(server, (take) => {
      const echo = take(new Echo())
      open.push(echo)
      echo.start()
    })
    const { port } = server.address() as AddressInfo
    open.push(sockets.connect({ host: '127.0.0.1', port }, new Caller(ended.resolve)))
    return await ended.promise
  } catch (failed) {
    return (failed as Error).message
  } finally {
    clearTimeout(timer)
    for (const socket of open) socket.close()
    server.close()
  }
}

/** Sends back what comes. */
class Echo implements SocketOwner {
  connected(): void {}

  took(socket: RelaySocket, bytes: Uint8Array): void {
    socket.write(bytes, socket)
  }

  ended(socket: RelaySocket): void {
    socket.end()
  }

  closed(): void {}
}

/** Says the word, and hears what comes back. */
class Caller implements SocketOwner {
  readonly #tell: (wrong: string | null) => void
  #heard = ''

  constructor(tell: (wrong: string | null) => void) {
    this.#tell = tell
  }

  connected(socket: RelaySocket): void {
    socket.start()
    socket.write(WORD, socket)
    socket.end()
  }

  took(_socket: RelaySocket, bytes: Uint8Array): void {
    this.#heard += Buffer.from(bytes).toString()
  }

  ended(): void {}

  closed(_socket: RelaySocket, failed: boolean): void {
    this.#tell(!failed && this.#heard === WORD.toString() ? null : `heard ${JSON.stringify(this.#heard)}`)
  }
}
