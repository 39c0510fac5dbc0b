import { randomBytes } from 'node:crypto'
import { getPriority } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { connectLines } from '../../../os/line-socket.ts'
import { systemClock } from '../../../os/system-clock.ts'
import { connectRouter } from '../../../routing/router-client.ts'
import { ask, freePort, kernelPathMissing, Load, startReplica } from '../../../routing/testing.ts'
import { KEEPER_PROTOCOL, type KeeperStatus } from './protocol.ts'
import { type KeeperUnderTest, keeperUnderTest, SCOPE } from './testing.ts'

const DEADLINE = { timeout: 30_000, interval: 20 }
const ROUTER = resolve(import.meta.dirname, '../../../routing/router-main.ts')
const IS_ROOT = process.geteuid?.() === 0
const NOBODY = 65_534
const isRefused = (why: string) => why.includes('ECONNREFUSED')
const signal = () => AbortSignal.timeout(60_000)

describe('keeper and the userland router under load', { timeout: 90_000 }, () => {
  const ending: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ending.splice(0).reverse()) await end()
  })

  const published = async ({ fastPath = 'none', uid = null as number | null } = {}) => {
    const id = randomBytes(4).toString('hex')
    const keeper = await keeperUnderTest((folder) => [process.execPath, ROUTER, folder, id, fastPath], uid)
    ending.push(() => keeper.close())
    await keeper.request({ kind: 'status' })
    const router = connectRouter({ socket: join(keeper.folder, 'router.sock'), clock: systemClock })
    ending.push(() => router.close())
    const replica = await startReplica('web-1-1', 1)
    ending.push(() => replica.close())
    const listen = { host: '127.0.0.1', port: await freePort() }
    await router.publish(SCOPE, [{ role: 'web', listen }], 1, signal())
    await router.admit(SCOPE, replica.target, 1, signal())
    /** The keeper answers, and holds the sockets of the router that it names. */
    const whole = () =>
      vi.waitFor(async () => {
        const { pid, routerPid } = await keeper.request<KeeperStatus>({ kind: 'status' })
        const who = await router.who(signal())
        expect(who).toMatchObject({ pid: routerPid, hasParent: true })
        return { keeperPid: pid, routerPid: who.pid }
      }, DEADLINE)
    return { keeper, router, listen, whole }
  }
  const routerPid = async (keeper: KeeperUnderTest) =>
    (await keeper.request<KeeperStatus>({ kind: 'status' })).routerPid
  const answeredMore = (load: Load, more: number) => {
    const from = load.answered
    return vi.waitFor(() => expect(load.answered).toBeGreaterThan(from + more), DEADLINE)
  }

  it('loses no request when it hands over to a successor with a router of its own', async () => {
    const { keeper, listen } = await published()
    const before = await routerPid(keeper)
    const load = new Load(listen, 200)
    await answeredMore(load, 50)
    const client = await connectLines(join(keeper.folder, 'keeper.sock'), KEEPER_PROTOCOL, 10_000)
    await client.request({ kind: 'handover', command: keeper.command }, signal()).catch(() => {})
    client.close()
    await answeredMore(load, 200)
    expect((await load.end()).lost).toEqual([])
    expect(await routerPid(keeper)).not.toBe(before)
  })

  it('loses no request when the keeper is killed', async () => {
    const { keeper, listen } = await published()
    const before = await routerPid(keeper)
    const load = new Load(listen, 200)
    await answeredMore(load, 50)
    await keeper.kill()
    expect(await routerPid(keeper)).toBe(before)
    await answeredMore(load, 200)
    expect((await load.end()).lost).toEqual([])
  })

  const users = [
    ['root', null, IS_ROOT ? null : 'needs root'],
    ['an ordinary user', IS_ROOT ? NOBODY : null, null],
  ] as const
  describe.each(users)('of %s', (_user, uid, missing) => {
    it.skipIf(missing !== null)(
      `has its sockets again after the keeper was killed: killed in random order, nothing is refused${missing ?? ''}`,
      async () => {
        const { listen, whole } = await published({ uid })
        const load = new Load(listen, 200)
        const killed: string[] = []
        let now = await whole()
        for (let round = 0; round < 8; round++) {
          const isKeeper = round < 2 ? round === 0 : Math.random() < 0.5
          killed.push(isKeeper ? 'keeper' : 'router')
          process.kill(isKeeper ? now.keeperPid : now.routerPid, 'SIGKILL')
          const then = await whole()
          expect(then.keeperPid === now.keeperPid, killed.join()).toBe(!isKeeper)
          expect(then.routerPid === now.routerPid, killed.join()).toBe(isKeeper)
          await answeredMore(load, 20)
          now = then
        }
        const { lost } = await load.end()
        expect(lost.filter(isRefused), killed.join()).toEqual([])
      },
    )
  })

  it.skipIf(kernelPathMissing !== null)(
    `loses nothing where the kernel redirects, keeper and then router killed${kernelPathMissing ?? ''}`,
    async () => {
      const { listen, whole } = await published({ fastPath: 'nftables' })
      const load = new Load(listen, 200)
      await answeredMore(load, 50)
      process.kill((await whole()).keeperPid, 'SIGKILL')
      const { keeperPid, routerPid } = await whole()
      expect([getPriority(keeperPid), getPriority(routerPid)]).toEqual([getPriority(), expect.toSatisfy((n) => n < 0)])
      process.kill(routerPid, 'SIGKILL')
      await whole()
      await answeredMore(load, 100)
      expect((await load.end()).lost).toEqual([])
    },
  )

  it('goes on with the router that started it as with one of its own: addresses come and go', async () => {
    const { keeper, router, listen, whole } = await published()
    await keeper.kill()
    const { routerPid } = await whole()
    const more = { host: '127.0.0.1', port: await freePort() }
    const publish = (...addresses: (typeof listen)[]) =>
      router.publish(
        SCOPE,
        addresses.map((each) => ({ role: 'web', listen: each })),
        1,
        signal(),
      )
    await publish(listen, more)
    await publish(listen)
    await vi.waitFor(() => expect(ask(more)).rejects.toThrow('ECONNREFUSED'), DEADLINE)
    await publish(listen, more)
    process.kill(routerPid, 'SIGKILL')
    // Both wait in the backlogs of sockets that the keeper holds: one that came from the router, one that it bound itself.
    expect([(await ask(listen)).revision, (await ask(more)).revision]).toEqual([1, 1])
    await publish(more)
    await vi.waitFor(() => expect(ask(listen)).rejects.toThrow('ECONNREFUSED'), DEADLINE)
  })

  it('has the sockets of a router that was just starting when the keeper was killed', async () => {
    const { keeper, whole } = await published()
    for (let round = 0; round < 2; round++) {
      const { keeperPid, routerPid } = await whole()
      process.kill(routerPid, 'SIGKILL')
      await vi.waitFor(
        async () => {
          const now = await keeper.request<KeeperStatus>({ kind: 'status' })
          expect([null, routerPid]).not.toContain(now.routerPid)
        },
        { ...DEADLINE, interval: 1 },
      )
      process.kill(keeperPid, 'SIGKILL')
      await whole()
    }
  })

  it('comes back with a router that serves when both are killed at once', async () => {
    const { listen, whole } = await published()
    const { keeperPid, routerPid } = await whole()
    process.kill(keeperPid, 'SIGKILL')
    process.kill(routerPid, 'SIGKILL')
    await whole()
    expect((await ask(listen)).revision).toBe(1)
  })

  it('refuses no connection while a killed router is replaced: what was open is cut, new ones wait', async () => {
    const { keeper, listen } = await published()
    const load = new Load(listen, 200)
    await answeredMore(load, 50)
    process.kill((await routerPid(keeper)) ?? 0, 'SIGKILL')
    await answeredMore(load, 200)
    expect((await load.end()).lost.filter(isRefused)).toEqual([])
  })
})
