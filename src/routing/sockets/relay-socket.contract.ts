import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../testing.ts'
import type { RelaySocket, SocketOwner, Sockets } from './relay-socket.ts'

/** Writes down what a socket tells, and does with its bytes what the test wants. */
class Notebook implements SocketOwner {
  readonly told: string[] = []
  taken = 0
  use: (bytes: Uint8Array) => void = () => {}

  connected(): void {
    this.told.push('connected')
  }

  took(_socket: RelaySocket, bytes: Uint8Array): void {
    this.taken += bytes.length
    this.use(bytes)
  }

  ended(): void {
    this.told.push('ended')
  }

  closed(_socket: RelaySocket, failed: boolean): void {
    this.told.push(failed ? 'failed' : 'closed')
  }
}

/** One of the sockets under test, and the other end of its connection. */
interface Pair {
  readonly socket: RelaySocket
  readonly heard: Notebook
  readonly peer: Socket
}

const LARGE = 16 * 2 ** 20

/** What each way to make sockets owes to a router. */
export function describeSockets(name: string, sockets: Sockets): void {
  describe(name, () => {
    const cleanUps: (() => unknown)[] = []
    afterEach(() => {
      for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp()
    })

    const listening = async (host: string): Promise<{ server: Server; port: number }> => {
      const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, host)
      cleanUps.push(() => server.close())
      await once(server, 'listening')
      return { server, port: (server.address() as AddressInfo).port }
    }
    const tended = (peer: Socket): Socket => {
      peer.on('error', () => {})
      cleanUps.push(() => peer.destroy())
      return peer
    }
    const made = (socket: RelaySocket, heard: Notebook, peer: Socket): Pair => {
      cleanUps.push(() => socket.close())
      return { socket, heard, peer: tended(peer) }
    }
    const accepted = async (host = '127.0.0.1'): Promise<Pair> => {
      const { server, port } = await listening(host)
      const heard = new Notebook()
      const taken = new Promise<RelaySocket>((resolve) => sockets.serve(server, (take) => resolve(take(heard))))
      const peer = connect({ host, port, allowHalfOpen: true })
      return made(await taken, heard, peer)
    }
    const connected = async (host = '127.0.0.1'): Promise<Pair> => {
      const { server, port } = await listening(host)
      const heard = new Notebook()
      const arrived = once(server, 'connection') as Promise<[Socket]>
      const socket = sockets.connect({ host, port }, heard)
      expect(socket.connecting).toBe(true)
      const [peer] = await arrived
      await until('it is connected', () => heard.told.includes('connected'))
      return made(socket, heard, peer)
    }
    /** Two of them, each of which passes on to the other what it reads. */
    const relay = async (): Promise<{ from: Pair; to: Pair }> => {
      const [from, to] = [await accepted(), await connected()]
      from.heard.use = (bytes) => to.socket.write(bytes, from.socket)
      to.heard.use = (bytes) => from.socket.write(bytes, to.socket)
      from.socket.start()
      to.socket.start()
      return { from, to }
    }
    const sizeRead = (peer: Socket) => {
      const read = { bytes: 0, ended: false }
      peer.on('data', (bytes) => {
        read.bytes += bytes.length
      })
      peer.on('end', () => {
        read.ended = true
      })
      return read
    }
    /** Fills the way to a peer that does not read, until the kernel takes no more. */
    const full = async (): Promise<{ from: Pair; to: Pair }> => {
      const pairs = await relay()
      pairs.from.peer.write(Buffer.alloc(LARGE, 5))
      await until('something waits for the kernel', () => pairs.to.socket.unsent)
      return pairs
    }

    it.each(['127.0.0.1', '::1'])('connects to and accepts from %s, and knows both ports', async (host) => {
      for (const { socket, heard, peer } of [await accepted(host), await connected(host)]) {
        await until('the peer is connected', () => !peer.connecting)
        expect(socket.remote()).toMatchObject({ address: host, port: peer.localPort })
        expect(socket.localPort).toBe(peer.remotePort)
        expect([socket.connecting, socket.closed, socket.heard, socket.ending, socket.unsent]).not.toContain(true)
        expect(heard.told).not.toContain('failed')
      }
    })

    it('tells a refused connect once, and not before the call has returned', async () => {
      const { server, port } = await listening('127.0.0.1')
      await new Promise((resolve) => server.close(resolve))
      const heard = new Notebook()
      const socket = sockets.connect({ host: '127.0.0.1', port }, heard)
      expect(heard.told).toEqual([])
      await until('it is told', () => heard.told.length > 0)
      expect(heard.told).toEqual(['failed'])
      expect([socket.closed, socket.connecting]).toEqual([true, false])
    })

    it('says nothing of a connect that was given up', async () => {
      const { port } = await listening('127.0.0.1')
      for (const way of ['close', 'fail', 'reset'] as const) {
        const heard = new Notebook()
        const socket = sockets.connect({ host: '127.0.0.1', port }, heard)
        socket[way]()
        const later = sockets.connect({ host: '127.0.0.1', port }, new Notebook())
        await until('one that came later is connected', () => !later.connecting)
        await until('its end is told', () => heard.told.length > 0)
        expect(heard.told).toEqual([way === 'fail' ? 'failed' : 'closed'])
        later.close()
      }
    })

    it('reads nothing before it is started, nor while it is stopped', async () => {
      const { socket, heard, peer } = await accepted()
      peer.write('one')
      const other = await accepted()
      other.socket.start()
      other.peer.write('later')
      await until('what came later elsewhere is read', () => other.heard.taken === 5)
      expect(heard.taken).toBe(0)
      socket.start()
      socket.start()
      await until('it is read', () => heard.taken === 3)
      socket.stop()
      peer.write('two')
      other.peer.write('later')
      await until('what came later elsewhere is read', () => other.heard.taken === 10)
      expect(heard.taken).toBe(3)
      socket.start()
      await until('it is read', () => heard.taken === 6)
    })

    it('passes bytes on both ways, and the end of each with the other open', async () => {
      const { from, to } = await relay()
      const [first, second] = [sizeRead(from.peer), sizeRead(to.peer)]
      to.peer.resume()
      from.peer.end('question')
      await until('it has come', () => second.bytes === 8)
      await until('its end is heard', () => from.socket.heard)
      to.socket.end()
      await until('its end has come', () => second.ended)
      to.peer.write('answer')
      await until('it has come', () => first.bytes === 6)
      expect([from.socket.closed, to.socket.closed]).toEqual([false, false])
      to.peer.end()
      await until('it closes by itself when both have ended', () => to.socket.closed)
      from.socket.end()
      await until('its end has come', () => first.ended)
      await until('all is told', () => to.heard.told.length === 3 && from.heard.told.length === 2)
      expect(to.heard.told).toEqual(['connected', 'ended', 'closed'])
      expect(from.heard.told).toEqual(['ended', 'closed'])
    })

    it('holds a sender back while the reader is slow, and loses nothing', async () => {
      const { from, to } = await full()
      let before = -1
      await until('it reads nothing more', () => {
        const still = from.heard.taken === before
        before = from.heard.taken
        return still
      })
      expect(from.heard.taken).toBeLessThan(LARGE)
      // It is one way that is full: the other is open.
      const back = sizeRead(from.peer)
      to.peer.write('back')
      await until('it has come', () => back.bytes === 4)
      const read = sizeRead(to.peer)
      to.peer.resume()
      await until('all has come', () => read.bytes === LARGE)
      expect(to.socket.unsent).toBe(false)
    })

    it('says its last word behind all that was written', async () => {
      const { from, to } = await full()
      from.socket.stop()
      to.socket.end()
      const sent = from.heard.taken
      const read = sizeRead(to.peer)
      to.peer.resume()
      await until('the end has come', () => read.ended)
      expect(read.bytes).toBe(sent)
      expect(to.socket.closed).toBe(false)
      to.peer.end()
      await until('it closes by itself', () => to.heard.told.includes('closed'))
    })

    it('closes by itself once all is written, where both have said their last word before', async () => {
      const { from, to } = await full()
      from.socket.stop()
      to.peer.end()
      await until('its end is heard', () => to.socket.heard)
      to.socket.end()
      expect(to.socket.closed).toBe(false)
      const sent = from.heard.taken
      const read = sizeRead(to.peer)
      to.peer.resume()
      await until('the end has come', () => read.ended)
      expect(read.bytes).toBe(sent)
      await until('it is told', () => to.heard.told.at(-1) === 'closed')
    })

    it('tells of a reset in the midst of a write, though nothing is read', async () => {
      const { to } = await full()
      to.socket.stop()
      to.peer.resetAndDestroy()
      await until('it is told', () => to.heard.told.at(-1) === 'failed')
      expect(to.socket.unsent).toBe(false)
    })

    it.each([
      ['close', 'closed'],
      ['fail', 'failed'],
      ['reset', 'closed'],
    ] as const)('may be ended by %s in the midst of a write', async (way, told) => {
      const { from, to } = await full()
      to.socket[way]()
      await until('it is told', () => to.heard.told.at(-1) === told)
      from.socket[way]()
      await until('it is told', () => from.heard.told.at(-1) === told)
      from.peer.resume()
      await until('its peer hears of it', () => from.peer.readableEnded || from.peer.errored !== null)
      expect(to.heard.told).toEqual(['connected', told])
      expect(from.heard.told).toEqual([told])
    })

    it('may have the reader closed before its bytes are written', async () => {
      const { from, to } = await full()
      const sent = from.heard.taken
      from.socket.close()
      const others = await relay()
      const read = [sizeRead(to.peer), sizeRead(others.to.peer)]
      let wrong = 0
      to.peer.on('data', (bytes) => {
        wrong += bytes.filter((byte) => byte !== 5).length
      })
      others.from.peer.write(Buffer.alloc(LARGE, 6))
      for (const { peer } of [to, others.to]) peer.resume()
      await until('all has come', () => read[0]?.bytes === sent && read[1]?.bytes === LARGE)
      // Nobody else had its buffer meanwhile.
      expect(wrong).toBe(0)
    })

    it.each(['accepted', 'connected'] as const)('resets one that was %s, and tells it once', async (which) => {
      const { socket, heard, peer } = await (which === 'accepted' ? accepted() : connected())
      const failed = once(peer, 'error').catch((error: unknown) => [error])
      peer.resume()
      socket.start()
      socket.reset()
      socket.reset()
      expect(await failed).toMatchObject([{ code: 'ECONNRESET' }])
      await until('it is told', () => heard.told.at(-1) === 'closed')
      expect(heard.told.filter((word) => word !== 'connected')).toEqual(['closed'])
    })

    it('is closed by a reset while its last word is on its way', async () => {
      const before = openSockets()
      for (let n = 0; n < 20; n++) {
        const { socket, heard, peer } = await connected()
        socket.end()
        socket.reset()
        await until('it is told', () => heard.told.at(-1) === 'closed')
        peer.resume()
        await until('the peer hears of it', () => peer.readableEnded || peer.errored !== null)
        peer.destroy()
      }
      for (const cleanUp of cleanUps.splice(0)) cleanUp()
      await until('no handle is left', () => openSockets() <= before)
    })

    it('tells of a reset by its peer, and takes every call after it', async () => {
      const { socket, heard, peer } = await accepted()
      socket.start()
      await until('the peer is connected', () => !peer.connecting)
      peer.resetAndDestroy()
      await until('it is told', () => heard.told.length > 0)
      expect(heard.told).toEqual(['failed'])
      expect([socket.closed, socket.remote(), socket.localPort]).toEqual([true, null, null])
      const other = await accepted()
      socket.write(Buffer.from('more'), other.socket)
      for (const call of ['hold', 'release', 'start', 'stop', 'end', 'sendAtOnce', 'close', 'fail', 'reset'] as const) {
        socket[call]()
      }
      socket.keepAlive(1)
      other.peer.write('x')
      other.socket.start()
      await until('others go on', () => other.heard.taken === 1)
      expect(heard.told).toEqual(['failed'])
    })

    it('tells of a peer that is gone when it writes to it', async () => {
      const { from, to } = await relay()
      to.socket.stop()
      await until('the peer is connected', () => !from.peer.connecting)
      to.peer.resetAndDestroy()
      const timer = setInterval(() => from.peer.write('more'), 1)
      cleanUps.push(() => clearInterval(timer))
      await until('it is told', () => to.heard.told.includes('failed'))
      expect(to.heard.told).toEqual(['connected', 'failed'])
    })
  })
}

/** Open connections of this process, on whatever they are. */
export const openSockets = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
