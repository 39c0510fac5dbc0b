import { connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { scopeName } from '../model/app.ts'
import type { Router } from './router.ts'
import { ask, exchange, freePort, Load, startReplica, startTcp, type TestReplica, until } from './testing.ts'

/** A router under test. */
export interface MadeRouter {
  readonly router: Router
  /** What the keeper does when a replica's process is gone. */
  exited(scope: string, replica: string): void | Promise<void>
  close(): Promise<void>
}

/** What every router at L4 owes (reference/routing.md section 5). `reason`: why it is left out here; null: it is not. */
export function describeRouter(name: string, reason: string | null, make: () => Promise<MadeRouter>): void {
  describe.skipIf(reason !== null)(`${name}${reason === null ? '' : ` (left out: ${reason})`}`, () => {
    const scope = { app: 'shop', environment: 'prod' }
    const { signal } = new AbortController()
    const cleanUps: (() => unknown)[] = []
    let made: MadeRouter
    let router: Router
    let listen: { host: string; port: number }

    const replica = async (id: string, revision: number): Promise<TestReplica> => {
      const started = await startReplica(id, revision)
      cleanUps.push(() => started.close())
      return started
    }
    const tcp = async (id: string, serve: (socket: Socket) => void) => {
      const started = await startTcp(id, 1, serve)
      cleanUps.push(() => started.close())
      return started
    }
    const client = (): Socket => {
      const socket = connect({ ...listen, allowHalfOpen: true })
      socket.on('error', () => {})
      cleanUps.push(() => socket.destroy())
      return socket
    }
    const target = async (id: string) => (await router.observe(scope, signal)).targets.find((one) => one.replica === id)

    beforeEach(async () => {
      made = await make()
      router = made.router
      listen = { host: '127.0.0.1', port: await freePort() }
      await router.publish(scope, [{ role: 'web', listen }], 1, signal)
    })
    afterEach(async () => {
      for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
      await made.close()
    })

    it('sends new connections to admitted targets, in exact turns whatever else goes on', async () => {
      for (const id of ['web-1-1', 'web-1-2', 'web-1-3'])
        await router.admit(scope, (await replica(id, 1)).target, 1, signal)
      const other = { app: 'blog', environment: 'prod' }
      const elsewhere = { host: '127.0.0.1', port: await freePort() }
      await router.publish(other, [{ role: 'web', listen: elsewhere }], 1, signal)
      await router.admit(other, (await replica('web-1-1', 1)).target, 1, signal)
      const unrelated = await replica('unrelated', 1)
      const served = new Map<string, number>()
      for (let n = 0; n < 61; n++) {
        const answer = await ask(listen)
        served.set(answer.replica, (served.get(answer.replica) ?? 0) + 1)
        // Connections to another service and to none: in between, and not in step.
        for (let more = 0; more < n % 3; more++) {
          await Promise.all([ask(elsewhere), ask(unrelated.target.address)])
        }
      }
      expect([...served.keys()].sort()).toEqual(['web-1-1', 'web-1-2', 'web-1-3'])
      expect([...served.values()].sort()).toEqual([20, 20, 21])
      const { targets } = await router.observe(scope, signal)
      expect(targets.reduce((sum, { counts }) => sum + counts.connections, 0)).toBeGreaterThanOrEqual(61)
    })

    it('sends no new connection to a drained target, keeps its open ones, and counts them', async () => {
      const [old, next] = [await replica('web-1-1', 1), await replica('web-2-1', 2)]
      await router.admit(scope, old.target, 1, signal)
      const kept = client()
      expect((await exchange(kept, true)).revision).toBe(1)
      await router.admit(scope, next.target, 1, signal)
      expect(await router.drain(scope, 'web-1-1', 1, signal)).toBe(0)
      for (let n = 0; n < 20; n++) expect((await ask(listen)).revision).toBe(2)
      expect((await exchange(kept, true)).revision).toBe(1)
      // The kernel has bytes under way until the client's side has acknowledged them, 40 ms at most.
      await until('its answer has arrived', async () => (await target('web-1-1'))?.inFlight === 0)
      expect(await target('web-1-1')).toMatchObject({ state: 'Draining', open: 1 })
      kept.destroy()
      await until('the open connection is seen to end', async () => (await target('web-1-1'))?.open === 0)
    })

    it('gives the same state and no error when a step is done twice', async () => {
      const [one, two] = [await replica('web-1-1', 1), await replica('web-1-2', 1)]
      await router.admit(scope, two.target, 1, signal)
      for (let n = 0; n < 2; n++) await router.admit(scope, one.target, 1, signal)
      expect((await router.observe(scope, signal)).targets.map((each) => each.state)).toEqual(['Active', 'Active'])
      for (let n = 0; n < 2; n++) await router.drain(scope, 'web-1-1', 1, signal)
      expect((await target('web-1-1'))?.state).toBe('Draining')
      for (let n = 0; n < 2; n++) await router.remove(scope, 'web-1-1', 1, signal)
      expect(await target('web-1-1')).toBeUndefined()
      expect(await router.drain(scope, 'web-1-1', 1, signal)).toBe(0)
      for (let n = 0; n < 2; n++) await router.publish(scope, [{ role: 'web', listen }], 1, signal)
      expect((await ask(listen)).replica).toBe('web-1-2')
    })

    it('takes a drained target back: a rollback is the same switch', async () => {
      const [old, next] = [await replica('web-1-1', 1), await replica('web-2-1', 2)]
      await router.admit(scope, old.target, 1, signal)
      await router.admit(scope, next.target, 1, signal)
      await router.drain(scope, 'web-1-1', 1, signal)
      await router.admit(scope, old.target, 1, signal)
      await router.drain(scope, 'web-2-1', 1, signal)
      for (let n = 0; n < 5; n++) expect((await ask(listen)).revision).toBe(1)
    })

    it('refuses a writer whose token is older, and changes nothing', async () => {
      const [one, two] = [await replica('web-1-1', 1), await replica('web-2-1', 2)]
      await router.admit(scope, one.target, 7, signal)
      const refused = { code: 'FENCED' }
      await expect(router.admit(scope, two.target, 6, signal)).rejects.toMatchObject(refused)
      await expect(router.drain(scope, 'web-1-1', 6, signal)).rejects.toMatchObject(refused)
      await expect(router.remove(scope, 'web-1-1', 6, signal)).rejects.toMatchObject(refused)
      await expect(router.publish(scope, [], 6, signal)).rejects.toMatchObject(refused)
      expect((await router.observe(scope, signal)).targets).toMatchObject([{ replica: 'web-1-1', state: 'Active' }])
      expect((await ask(listen)).replica).toBe('web-1-1')
      const other = { app: 'shop', environment: 'staging' }
      await router.publish(other, [], 1, signal)
    })

    it('does not admit what takes no connection', async () => {
      const gone = {
        replica: 'web-1-1',
        role: 'web',
        revision: 1,
        address: { host: '127.0.0.1', port: await freePort() },
      }
      await expect(router.admit(scope, gone, 1, signal)).rejects.toMatchObject({ code: 'ROUTER_FAILED' })
      expect(await target('web-1-1')).toBeUndefined()
    })

    it('refuses a taken port by naming who has it, and changes nothing', async () => {
      const other = createServer().listen(0, '127.0.0.1')
      await new Promise((resolve) => other.once('listening', resolve))
      cleanUps.push(() => new Promise((resolve) => other.close(resolve)))
      const taken = { host: '127.0.0.1', port: (other.address() as { port: number }).port }
      const free = { host: '127.0.0.1', port: await freePort() }
      await router.admit(scope, (await replica('web-1-1', 1)).target, 1, signal)
      const routes = [free, taken].map((each) => ({ role: 'web', listen: each }))
      await expect(router.publish(scope, routes, 1, signal)).rejects.toMatchObject({
        code: 'PORT_TAKEN',
        message: expect.stringContaining(`pid ${process.pid}`),
      })
      expect((await ask(listen)).replica).toBe('web-1-1')
      await expect(ask(free)).rejects.toThrow('ECONNREFUSED')
    })

    it('refuses an address that another scope has published', async () => {
      const other = { app: 'blog', environment: 'prod' }
      await expect(router.publish(other, [{ role: 'web', listen }], 1, signal)).rejects.toMatchObject({
        code: 'PORT_TAKEN',
        message: expect.stringContaining('shop/prod'),
      })
    })

    it('gives an address back that no route uses any more', async () => {
      await router.admit(scope, (await replica('web-1-1', 1)).target, 1, signal)
      expect((await ask(listen)).replica).toBe('web-1-1')
      await router.publish(scope, [], 1, signal)
      // Until the keeper has closed its copy of the socket too, a connection is taken by the kernel and reset then.
      await until('no connection is taken', () =>
        ask(listen).then(
          () => false,
          (why: Error) => why.message === 'ECONNREFUSED',
        ),
      )
      await until('others can take it', async () => {
        const server = createServer().listen(listen)
        const free = await new Promise<boolean>((resolve) => {
          server.once('listening', () => resolve(true)).once('error', () => resolve(false))
        })
        server.close()
        return free
      })
    })

    it('takes a target out as soon as its process is gone, and back when it is admitted again', async () => {
      const [crashing, other] = [await replica('web-1-1', 1), await replica('web-1-2', 1)]
      await router.admit(scope, crashing.target, 1, signal)
      await router.admit(scope, other.target, 1, signal)
      await crashing.close()
      await made.exited(scopeName(scope), 'web-1-1')
      await until('it is Down', async () => (await target('web-1-1'))?.state === 'Down', 1000)
      for (let n = 0; n < 20; n++) expect((await ask(listen)).replica).toBe('web-1-2')
      const again = await startReplica('web-1-1', 1)
      cleanUps.push(() => again.close())
      await router.admit(scope, again.target, 1, signal)
      const served = new Set<string>()
      for (let n = 0; n < 20; n++) served.add((await ask(listen)).replica)
      expect([...served].sort()).toEqual(['web-1-1', 'web-1-2'])
    })

    it('resets a connection that finds no target within a second, and serves one that does', async () => {
      await expect(ask(listen)).rejects.toThrow('ECONNRESET')
      const early = ask(listen)
      await router.admit(scope, (await replica('web-1-1', 1)).target, 1, signal)
      expect((await early).replica).toBe('web-1-1')
    })

    it('passes the end of one direction on and keeps the other open', async () => {
      const half = await tcp('web-1-1', (socket) => {
        let size = 0
        socket.on('data', (chunk) => {
          size += chunk.length
        })
        socket.on('end', () => socket.end(`got ${size}`))
      })
      await router.admit(scope, half.target, 1, signal)
      const socket = client()
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk.toString()
      })
      const ended = new Promise((resolve) => socket.once('end', resolve))
      socket.end(Buffer.alloc(300_000))
      await ended
      expect(text).toBe('got 300000')
    })

    it('holds a fast sender back while its reader is slow, and loses nothing', async () => {
      const total = 64 * 2 ** 20
      let taken = 0
      const sender = await tcp('web-1-1', (socket) => {
        socket.once('data', () => {
          const send = () => {
            while (taken < total) {
              taken += 65_536
              if (!socket.write(Buffer.alloc(65_536, 7))) return void socket.once('drain', send)
            }
            socket.end()
          }
          send()
        })
      })
      await router.admit(scope, sender.target, 1, signal)
      const socket = client()
      socket.pause()
      socket.write('go')
      let before = -1
      await until('the sender is held back', () => {
        const still = taken === before && taken > 0
        before = taken
        return still
      })
      expect(taken).toBeLessThan(32 * 2 ** 20)
      let received = 0
      socket.on('data', (chunk) => {
        received += chunk.length
      })
      const ended = new Promise((resolve) => socket.once('end', resolve))
      socket.resume()
      await ended
      expect(received).toBe(total)
    })

    it('leaves a long stream alone across drain and remove (F10)', async () => {
      let tick: NodeJS.Timeout | undefined
      const streaming = await tcp('web-1-1', (socket) => {
        socket.once('data', () => {
          tick = setInterval(() => socket.write('x'), 5)
        })
        socket.on('close', () => clearInterval(tick))
        socket.on('end', () => socket.end())
      })
      cleanUps.push(() => clearInterval(tick))
      const next = await replica('web-2-1', 2)
      await router.admit(scope, streaming.target, 1, signal)
      const socket = client()
      let received = 0
      socket.on('data', (chunk) => {
        received += chunk.length
      })
      socket.write('go')
      await until('the stream runs', () => received > 10)
      await router.admit(scope, next.target, 1, signal)
      await router.drain(scope, 'web-1-1', 1, signal)
      expect((await ask(listen)).revision).toBe(2)
      expect((await target('web-1-1'))?.open).toBe(1)
      await router.remove(scope, 'web-1-1', 1, signal)
      const before = received
      await until('the stream goes on', () => received > before + 50)
      expect(socket.destroyed).toBe(false)
    })

    it('answers the drain of one target while another still has connections', async () => {
      const stuck = await tcp('web-1-1', () => {})
      const [second, third] = [await replica('web-1-2', 1), await replica('web-1-3', 1)]
      await router.admit(scope, stuck.target, 1, signal)
      const socket = client()
      socket.write('a request that is never answered')
      await until('it has arrived', () => stuck.sockets.size === 1)
      for (const each of [second, third]) await router.admit(scope, each.target, 1, signal)
      await router.drain(scope, 'web-1-1', 1, signal)
      expect(await router.drain(scope, 'web-1-2', 1, signal)).toBe(0)
      expect((await target('web-1-1'))?.open).toBe(1)
      expect((await ask(listen)).replica).toBe('web-1-3')
    })

    it('tells of a change that somebody else made', async () => {
      const ended = new AbortController()
      const seen: number[] = []
      const watching = (async () => {
        for await (const _ of router.changes(scope, ended.signal)) {
          seen.push((await router.observe(scope, signal)).targets.length)
        }
      })()
      await until('it yields at once', () => seen.length > 0)
      await router.admit(scope, (await replica('web-1-1', 1)).target, 1, signal)
      await until('it has seen the target', () => seen.at(-1) === 1)
      ended.abort()
      await watching
    })

    it('knows by its source port which revision served a connection', async () => {
      const [old, next] = [await replica('web-1-1', 1), await replica('web-2-1', 2)]
      await router.admit(scope, old.target, 1, signal)
      const first = await ask(listen)
      await router.admit(scope, next.target, 1, signal)
      await router.drain(scope, 'web-1-1', 1, signal)
      const second = await ask(listen)
      await router.remove(scope, 'web-1-1', 1, signal)
      expect(await router.servedBy(scope, [first.sourcePort, second.sourcePort, 1], signal)).toEqual([1, 2, null])
    })

    it('is reachable on the published address only', async () => {
      await router.admit(scope, (await replica('web-1-1', 1)).target, 1, signal)
      expect((await ask(listen)).replica).toBe('web-1-1')
      await expect(ask({ host: '127.0.0.2', port: listen.port })).rejects.toThrow('ECONNREFUSED')
      await expect(ask({ host: '::1', port: listen.port })).rejects.toThrow('ECONNREFUSED')
    })

    it.each(['::1', '::', '0.0.0.0'])('publishes on %s', async (host) => {
      const address = { host, port: await freePort(host) }
      await router.publish(scope, [{ role: 'web', listen: address }], 1, signal)
      await router.admit(scope, (await replica('web-1-1', 1)).target, 1, signal)
      const called = host === '0.0.0.0' ? ['127.0.0.1'] : host === '::' ? ['::1', '127.0.0.1'] : ['::1']
      for (const each of called) expect((await ask({ host: each, port: address.port })).replica).toBe('web-1-1')
    })

    it('loses no request over 100 switches, on new and kept connections', { timeout: 120_000 }, async () => {
      let current = await replica('web-1-1', 1)
      await router.admit(scope, current.target, 1, signal)
      const load = new Load(listen, 400)
      for (let revision = 2; revision <= 101; revision++) {
        const next = await startReplica(`web-${revision}-1`, revision)
        await router.admit(scope, next.target, 1, signal)
        const answered = load.answered
        await router.drain(scope, current.target.replica, 1, signal)
        current.stop()
        const leaving = current
        await until('traffic went on', () => load.answered > answered)
        // Kept connections leave the old replica at their next answer; those that are idle are let go by it.
        await until('the old one is empty', () => leaving.connections() === 0)
        await router.remove(scope, leaving.target.replica, 1, signal)
        await leaving.close()
        current = next
      }
      cleanUps.push(() => current.close())
      const ledger = await load.end()
      expect(ledger.lost).toEqual([])
      expect(load.answered).toBe(ledger.sent)
      expect(ledger.answered.size).toBeGreaterThan(50)
    })
  })
}
