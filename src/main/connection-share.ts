import type { Server } from 'node:http'
import { networkOf } from '../registry/access/caller.ts'

/** How many connections one address may have: whoever opens more does not keep others out. */
export class ConnectionShare {
  readonly #most: number
  readonly #open = new Map<string, number>()

  constructor(most: number) {
    this.#most = most
  }

  /** False: it has as many as it may. Whatever is taken is to be given back. This machine itself, where a proxy may be, has no limit. */
  take(address: string): boolean {
    const network = networkOf(address)
    const open = this.#open.get(network) ?? 0
    if (open >= this.#most && !isThisMachine(address)) return false
    this.#open.set(network, open + 1)
    return true
  }

  give(address: string): void {
    const network = networkOf(address)
    const open = this.#open.get(network) ?? 0
    if (open > 1) this.#open.set(network, open - 1)
    else this.#open.delete(network)
  }

  /** Holds the clients of a server to it. */
  guard(server: Server): void {
    server.on('connection', (socket) => {
      const { remoteAddress = 'gone' } = socket
      if (!this.take(remoteAddress)) return void socket.destroy()
      socket.once('close', () => this.give(remoteAddress))
    })
  }
}

const isThisMachine = (address: string): boolean => /^(?:::ffff:)?127\.|^::1$/.test(address)
