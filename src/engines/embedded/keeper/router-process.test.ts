import { join, resolve } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { connectLines } from '../../../os/line-socket.ts'
import { systemClock } from '../../../os/system-clock.ts'
import { connectRouter } from '../../../routing/router-client.ts'
import { freePort, Load, startReplica } from '../../../routing/testing.ts'
import { KEEPER_PROTOCOL, type KeeperStatus } from './protocol.ts'
import { type KeeperUnderTest, keeperUnderTest, SCOPE } from './testing.ts'

const DEADLINE = { timeout: 30_000, interval: 20 }
const ROUTER = resolve(import.meta.dirname, '../../../routing/router-main.ts')
const signal = () => AbortSignal.timeout(60_000)

describe('keeper and the userland router under load', { timeout: 90_000 }, () => {
  const ending: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ending.splice(0).reverse()) await end()
  })

  const published = async () => {
    const keeper = await keeperUnderTest((folder) => [process.execPath, ROUTER, folder, '00000000', 'none'])
    ending.push(() => keeper.close())
    await keeper.request({ kind: 'status' })
    const router = connectRouter({ socket: join(keeper.folder, 'router.sock'), clock: systemClock })
    ending.push(() => router.close())
    const replica = await startReplica('web-1-1', 1)
    ending.push(() => replica.close())
    const listen = { host: '127.0.0.1', port: await freePort() }
    await router.publish(SCOPE, [{ role: 'web', listen }], 1, signal())
    await router.admit(SCOPE, replica.target, 1, signal())
    return { keeper, listen }
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

  it('refuses no connection while a killed router is replaced: what was open is cut, new ones wait', async () => {
    const { keeper, listen } = await published()
    const load = new Load(listen, 200)
    await answeredMore(load, 50)
    process.kill((await routerPid(keeper)) ?? 0, 'SIGKILL')
    await answeredMore(load, 200)
    expect((await load.end()).lost.filter((why) => why.includes('ECONNREFUSED'))).toEqual([])
  })
})
