import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Sockets } from '../sockets/relay-socket.ts'
import { Connection } from './connection.ts'
import type { LiveTarget } from './live-target.ts'
import { TargetPool } from './target-pool.ts'

/** How one side leaves: by its last word, by closing, by a reset. */
export type Leaving = 'end' | 'destroy' | 'reset'

/** What one side does: sends these pieces, and leaves. */
export interface Side {
  readonly pieces: readonly number[]
  readonly leaving: Leaving
  /** Reads nothing until it has sent everything. */
  readonly readsLate: boolean
}

/** One connection: what its client and its target do. */
export interface Course {
  readonly client: Side
  readonly target: Side
}

/** What one side saw of a course. */
export interface Seen {
  bytes: number
  /** Bytes that are not those that the other side sent at their place. */
  wrong: number
  /** It read the other's last word. */
  ended: boolean
}

/** The byte at a place of what a side of a course sends: no two courses send the same. */
const byteAt = (at: number, course: number, isClient: boolean): number =>
  (at * 31 + (at >> 8) * 17 + course * 7 + (isClient ? 3 : 0)) & 0xff

const HEAD_BYTES = 4

/** A relay in this process with one target, and courses through it. */
export class RelayStage {
  readonly pool: TargetPool
  readonly #server: Server
  readonly #relay: Server
  readonly #courses = new Map<number, { course: Course; seen: Seen; done: () => void }>()
  #courseCount = 0

  private constructor(sockets: Sockets, server: Server, relay: Server) {
    this.#server = server
    this.#relay = relay
    this.pool = new TargetPool(() => {})
    this.admit(server)
    server.on('connection', (socket: Socket) => this.#serve(socket))
    sockets.serve(relay, (take) => void new Connection(take, { sockets, pool: this.pool, served: () => {} }))
  }

  static async open(sockets: Sockets): Promise<RelayStage> {
    return new RelayStage(sockets, await listening(), await listening())
  }

  /** Has this server be the only target. */
  admit(server: Server): void {
    const { port } = server.address() as AddressInfo
    const address = { host: '127.0.0.1', port }
    this.pool.set([{ replica: `on-${port}`, role: 'web', revision: 1, address, state: 'Active', sinceMs: 0 }])
  }

  get target(): LiveTarget {
    const [target] = this.pool.targets
    if (target === undefined) throw new Error('no target')
    return target
  }

  client(): Socket {
    const socket = connect({ ...this.address, allowHalfOpen: true })
    socket.on('error', () => {})
    return socket
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: (this.#relay.address() as AddressInfo).port }
  }

  /** Goes through a course to the end of both sides. */
  async run(course: Course): Promise<{ client: Seen; target: Seen }> {
    const id = this.#courseCount++
    const client = this.client()
    const seen = { client: nothing(), target: nothing() }
    const arrived = Promise.withResolvers<void>()
    this.#courses.set(id, { course, seen: seen.target, done: arrived.resolve })
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
    await once(client, 'connect')
    const head = Buffer.alloc(HEAD_BYTES)
    head.writeUInt32BE(id)
    client.write(head)
    play(client, course.client, { id, isClient: true, seen: seen.client })
    await closed
    // A client that left at once may never have got to the target.
    if (course.client.leaving === 'end') await arrived.promise
    this.#courses.delete(id)
    return seen
  }

  close(): void {
    this.#server.close()
    this.#relay.close()
  }

  #serve(socket: Socket): void {
    socket.on('error', () => {})
    socket.once('readable', () => {
      const head = socket.read(HEAD_BYTES) as Buffer | null
      const known = head === null ? undefined : this.#courses.get(head.readUInt32BE())
      if (head === null || known === undefined) return void socket.destroy()
      socket.once('close', () => known.done())
      play(socket, known.course.target, { id: head.readUInt32BE(), isClient: false, seen: known.seen })
    })
  }
}

export async function listening(): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

const nothing = (): Seen => ({ bytes: 0, wrong: 0, ended: false })

function play(socket: Socket, side: Side, who: { id: number; isClient: boolean; seen: Seen }): void {
  const { seen, id, isClient } = who
  const read = () => {
    socket.on('data', (bytes: Buffer) => {
      for (const byte of bytes) if (byte !== byteAt(seen.bytes++, id, !isClient)) seen.wrong++
    })
    socket.on('end', () => {
      seen.ended = true
    })
  }
  let at = 0
  const send = (piece: number) => {
    const size = side.pieces[piece]
    if (size === undefined) {
      if (side.readsLate) read()
      return leave(socket, side.leaving)
    }
    const bytes = Buffer.alloc(size)
    for (let n = 0; n < size; n++) bytes[n] = byteAt(at++, id, isClient)
    socket.write(bytes, (failed) => {
      if (failed === null || failed === undefined) send(piece + 1)
    })
  }
  if (!side.readsLate) read()
  send(0)
}

function leave(socket: Socket, leaving: Leaving): void {
  if (leaving === 'end') socket.end()
  else if (leaving === 'destroy') socket.destroy()
  else socket.resetAndDestroy()
}
