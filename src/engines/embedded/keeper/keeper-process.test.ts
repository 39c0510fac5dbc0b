import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { hasEnvironment, listProcesses } from '../../../os/process-table.ts'
import { identify, isAlive } from '../../../os/process-identity.ts'
import { connectLines } from '../../../os/line-socket.ts'
import { systemClock } from '../../../os/system-clock.ts'
import { KeeperClient } from '../keeper-client.ts'
import { Cgroups } from '../roots/limits/cgroups.ts'
import { logPath } from './logs/log-file.ts'
import { treeMembers } from './process/process-tree.ts'
import { KEEPER_PROTOCOL, type KeeperStatus, type MigrationRecord } from './protocol.ts'
import type { ReplicaRecord } from './replica/replica-record.ts'
import { aSpec, aStranger, type KeeperUnderTest, keeperUnderTest, readPort, SCOPE } from './testing.ts'

const DEADLINE = { timeout: 30_000, interval: 20 }
const IS_ROOT = process.geteuid?.() === 0
const CAN_LIMIT = IS_ROOT && Cgroups.open(`probe${process.pid}`).limits.includes('memory')
const KEEPER = join(import.meta.dirname, 'testing-keeper.ts')

describe('keeper', { timeout: 90_000 }, () => {
  const open: KeeperUnderTest[] = []
  const make = async (routerOf: ((folder: string) => readonly string[]) | null = null) => {
    const keeper = await keeperUnderTest(routerOf)
    open.push(keeper)
    return keeper
  }
  afterEach(async () => {
    for (const keeper of open.splice(0)) await keeper.close()
  })

  const start = (keeper: KeeperUnderTest, spec = aSpec(), secrets = {}) =>
    keeper.request<null>({ kind: 'start', scope: SCOPE, token: 1, spec, secrets })
  const until = async (keeper: KeeperUnderTest, expected: object, name?: string): Promise<ReplicaRecord> => {
    let seen: ReplicaRecord | undefined
    await vi.waitFor(async () => {
      seen = await keeper.replica(name)
      expect(seen).toMatchObject(expected)
    }, DEADLINE)
    return seen as ReplicaRecord
  }
  const handover = async (keeper: KeeperUnderTest) => {
    const client = await connectLines(join(keeper.folder, 'keeper.sock'), KEEPER_PROTOCOL, 10_000)
    // It ends without an answer when it went well.
    await client.request({ kind: 'handover', command: keeper.command }, AbortSignal.timeout(30_000)).catch(() => {})
    client.close()
  }
  const livingWith = (entry: string) => listProcesses().filter(({ pid }) => hasEnvironment(pid, entry))

  it('is gone when its end is told, so that nothing touches the folder any more', async () => {
    const keeper = await make()
    await start(keeper)
    const { pid } = await keeper.request<KeeperStatus>({ kind: 'status' })
    const client = new KeeperClient({ folder: keeper.folder, command: keeper.command, clock: systemClock })
    await client.shutdown(0, AbortSignal.timeout(60_000))
    expect(identify(pid)).toBeNull()
  })

  it('is not started again by what is asked of it while it is ended', async () => {
    const keeper = await make()
    await start(keeper)
    const client = new KeeperClient({ folder: keeper.folder, command: keeper.command, clock: systemClock })
    const ended = new AbortController()
    const asking = async () => {
      while (!ended.signal.aborted)
        await client.request({ kind: 'observe', scope: null }, AbortSignal.timeout(60_000)).catch(() => {})
    }
    const asked = asking()
    await client.shutdown(0, AbortSignal.timeout(60_000))
    await client.request({ kind: 'observe', scope: null }, AbortSignal.timeout(60_000)).catch(() => {})
    ended.abort()
    await asked
    await expect(connectLines(join(keeper.folder, 'keeper.sock'), KEEPER_PROTOCOL, 10_000)).rejects.toThrow()
  })

  it('is one per data folder: a second one ends at once and changes nothing', async () => {
    const keeper = await make()
    await start(keeper)
    const second = spawn(process.execPath, [KEEPER, keeper.folder], { stdio: 'ignore' })
    expect((await once(second, 'exit'))[0]).toBe(0)
    expect(await keeper.replica()).toMatchObject({ state: 'running', restarts: 0 })
  })

  it('never starts a replica twice and never forgets one, whenever it is killed during a start', async () => {
    const keeper = await make()
    const mark = `CRASH=${process.pid}-${Date.now()}`
    const [name = '', value = ''] = mark.split('=')
    for (let round = 1; round <= 12; round++) {
      const replica = `web-1-${round}`
      const { pid } = await keeper.request<KeeperStatus>({ kind: 'status' })
      const asked = start(keeper, aSpec({ [name]: value, ROUND: String(round) }, {}, replica))
      await delay(round)
      process.kill(pid, 'SIGKILL')
      await asked
      await until(keeper, { state: 'running' }, replica)
      expect(livingWith(`ROUND=${round}`).filter((one) => hasEnvironment(one.pid, mark))).toHaveLength(1)
    }
    expect(livingWith(mark)).toHaveLength(12)
  })

  it('starts again what died while no keeper was there, its end unknown', async () => {
    const keeper = await make()
    await start(keeper)
    const { process: first } = await until(keeper, { state: 'running' })
    await keeper.kill()
    process.kill(first?.pid ?? 0, 'SIGKILL')
    const again = await until(keeper, { state: 'running', restarts: 1, lastExit: { known: false, code: null } })
    expect(again.process?.pid).not.toBe(first?.pid)
  })

  it('asks for secrets that died with its predecessor, and starts the replica when it has them', async () => {
    const keeper = await make()
    const spec = aSpec({}, { secretEnv: ['KEY'] })
    await start(keeper, spec, { KEY: 'one' })
    const { process: first } = await until(keeper, { state: 'running' })
    await keeper.kill()
    process.kill(first?.pid ?? 0, 'SIGKILL')
    await until(keeper, { state: 'needs-secrets' })
    await keeper.request({ kind: 'secrets', scope: SCOPE, replica: 'web-1-1', secrets: { KEY: 'two' } })
    const again = await until(keeper, { state: 'running' })
    expect(hasEnvironment(again.process?.pid ?? 0, 'KEY=two')).toBe(true)
  })

  it('keeps the grace period when it is killed in it, and signals only once', async () => {
    const keeper = await make()
    await start(keeper, aSpec({ IGNORE_STOP: '1' }))
    const { process: running } = await until(keeper, { state: 'running' })
    const log = () => readFile(logPath(keeper.folder, SCOPE, 'web-1-1'), 'utf8')
    await vi.waitFor(async () => expect(await log()).toContain('started'), DEADLINE)
    await keeper.request({ kind: 'stop', scope: SCOPE, token: 1, replica: 'web-1-1', graceMs: 1500 })
    await vi.waitFor(async () => expect(await log()).toContain('got SIGTERM'), DEADLINE)
    await keeper.kill()
    expect(running !== null && isAlive(running)).toBe(true)
    const ended = await until(keeper, { state: 'exited' })
    expect(ended.killAtMs).toBeNull()
    expect((ended.lastExit?.atMs ?? 0) - (ended.stopSentAtMs ?? 0)).toBeGreaterThanOrEqual(1400)
    expect((await log()).match(/got SIGTERM/g)).toHaveLength(1)
  })

  it('ends what a replica leaves behind, also a daemon in a session of its own', async () => {
    const keeper = await make()
    const daemon = `require('child_process').spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }).unref(); setInterval(() => {}, 1000)`
    const mark = `DAEMON=${process.pid}-${Date.now()}`
    const [name = '', value = ''] = mark.split('=')
    await start(keeper, aSpec({ [name]: value, PATH: '/usr/bin:/bin' }, { args: ['-e', daemon] }))
    await vi.waitFor(() => expect(livingWith(mark)).toHaveLength(2), DEADLINE)
    await keeper.request({ kind: 'remove', scope: SCOPE, token: 1, replica: 'web-1-1' })
    expect(livingWith(mark)).toHaveLength(0)
  })

  it('never touches a process that got the pid of one of its own', async () => {
    const stranger = aStranger()
    try {
      const identity = identify(stranger.pid ?? 0)
      const older = { bootId: '', pid: stranger.pid ?? 0, startTicks: (identity?.startTicks ?? 0) - 1 }
      expect(treeMembers({ root: older, mark: 'NARU_START=none', cgroups: [] })).toEqual([])
    } finally {
      stranger.kill('SIGKILL')
    }
  })

  it('says of a migration that it did not see the end of that it is unknown, and does not run it again', async () => {
    const keeper = await make()
    const spec = aSpec({}, {}, 'migrate-1')
    const request = { kind: 'migrate', scope: SCOPE, token: 1, spec, secrets: {}, timeoutMs: 60_000 } as const
    const running = await keeper.request<MigrationRecord>(request)
    await keeper.kill()
    const adopted = await keeper.request<MigrationRecord>(request)
    expect(adopted).toMatchObject({ state: 'running', process: running.process })
    await keeper.kill()
    process.kill(running.process?.pid ?? 0, 'SIGKILL')
    const ended = { kind: 'await-migration', scope: SCOPE, revision: 1 } as const
    expect(await keeper.request(ended)).toMatchObject({ state: 'unknown' })
    expect(await keeper.request(request)).toMatchObject({ state: 'unknown' })
  })

  it('ends a migration at its time limit', async () => {
    const keeper = await make()
    const spec = aSpec({ IGNORE_STOP: '1' }, {}, 'migrate-1')
    await keeper.request({ kind: 'migrate', scope: SCOPE, token: 1, spec, secrets: {}, timeoutMs: 300 })
    const ended = await keeper.request({ kind: 'await-migration', scope: SCOPE, revision: 1 })
    expect(ended).toMatchObject({ state: 'ended', timedOut: true, exit: { signal: 'SIGKILL' } })
  })

  it('ends by itself when there is nothing to keep and nobody there', async () => {
    const keeper = await make()
    const idle = spawn(process.execPath, [KEEPER, `${keeper.folder}/idle`, '10'], { stdio: 'ignore' })
    expect((await once(idle, 'exit'))[0]).toBe(0)
  })

  it('goes on with its replicas when it is ended by SIGTERM', async () => {
    const keeper = await make()
    await start(keeper)
    const { process: running } = await until(keeper, { state: 'running' })
    process.kill((await keeper.request<KeeperStatus>({ kind: 'status' })).pid, 'SIGTERM')
    const adopted = await until(keeper, { state: 'running', restarts: 0 })
    expect(adopted.process).toEqual(running)
  })

  it('hands over to a successor that knows the secrets and has all replicas', async () => {
    const keeper = await make()
    await start(keeper, aSpec({}, { secretEnv: ['KEY'] }), { KEY: 'one' })
    const { process: running } = await until(keeper, { state: 'running' })
    const before = await keeper.request<KeeperStatus>({ kind: 'status' })
    await handover(keeper)
    const after = await keeper.request<KeeperStatus>({ kind: 'status' })
    expect(after).toMatchObject({ replicas: 1 })
    expect(after.pid).not.toBe(before.pid)
    expect(await keeper.replica()).toMatchObject({ process: running, restarts: 0 })
    process.kill(running?.pid ?? 0, 'SIGKILL')
    const again = await until(keeper, { state: 'running', restarts: 1 })
    expect(hasEnvironment(again.process?.pid ?? 0, 'KEY=one')).toBe(true)
  })

  it('goes on itself when its successor does not come up', async () => {
    const keeper = await make()
    await start(keeper)
    const { pid } = await keeper.request<KeeperStatus>({ kind: 'status' })
    const command = [process.execPath, '-e', 'process.exit(3)']
    await expect(keeper.request({ kind: 'handover', command })).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' })
    expect((await keeper.request<KeeperStatus>({ kind: 'status' })).pid).toBe(pid)
  })

  it.skipIf(!CAN_LIMIT)(
    'tells that the kernel killed it for want of memory (left out: no memory cgroup here)',
    async () => {
      const cgroups = Cgroups.open(`test${process.pid}`)
      const limits = { cpuRequestMilli: null, cpuLimitMilli: null, memoryRequestBytes: null }
      const made = cgroups.create('web-1-1', { ...limits, memoryLimitBytes: 60 * 2 ** 20 })
      const keeper = await make()
      const greedy = 'const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1))'
      await start(keeper, aSpec({}, { args: ['-e', greedy], ...made }))
      const killed = await until(keeper, { restarts: 1 })
      expect(killed.lastExit).toMatchObject({ known: true, signal: 'SIGKILL', outOfMemory: true })
      await keeper.request({ kind: 'remove', scope: SCOPE, token: 1, replica: 'web-1-1' })
      cgroups.remove('web-1-1')
    },
  )

  it.skipIf(!IS_ROOT)(
    'goes on when the disk is full: nothing new starts, what crashes is started again (left out: needs root)',
    async () => {
      const keeper = await make()
      const folder = join(keeper.folder, 'keeper')
      mkdirSync(folder)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'naru-test', folder])
      try {
        await start(keeper)
        const { process: running } = await until(keeper, { state: 'running' })
        expect(() => writeFileSync(join(folder, 'fill'), Buffer.alloc(2 ** 20))).toThrow('ENOSPC')
        // Small records may still fit into what the ledger has: start until one does not.
        const starts = Array.from({ length: 60 }, (_, at) => start(keeper, aSpec({}, {}, `web-2-${at}`)))
        const failed = (await Promise.allSettled(starts)).filter(({ status }) => status === 'rejected')
        expect(failed[0]).toMatchObject({ reason: { code: 'DISK_FULL' } })
        process.kill(running?.pid ?? 0, 'SIGKILL')
        const again = await until(keeper, { state: 'running', restarts: 1 })
        expect(again.process?.pid).not.toBe(running?.pid)
      } finally {
        rmSync(join(folder, 'fill'), { force: true })
        // The keeper goes on in it until it is closed; the folder is free for removal at once.
        execFileSync('umount', ['--lazy', '--', folder])
      }
    },
  )

  it('gives away each assigned port once, and the same one to who asks again', async () => {
    const keeper = await make()
    const reserve = (replica: string) => keeper.request<number>({ kind: 'reserve', scope: SCOPE, token: 1, replica })
    const ports = await Promise.all(['a-1-1', 'b-1-1', 'c-1-1'].map(reserve))
    expect(new Set(ports).size).toBe(3)
    await keeper.kill()
    expect(await reserve('b-1-1')).toBe(ports[1])
    expect(ports).not.toContain(await reserve('d-1-1'))
  })

  describe('a start that is made ready before', () => {
    const entry = () => ['WAITS', `${process.pid}-${Math.random()}`] as const
    /** Waits as enter.cjs does. */
    const waiting = (name: string, value: string) => {
      const door = 'read -r _ <&3 || exit 0; exec 3<&-; '
      const become = 'exec "$0" contract-app.mjs'
      return aSpec(
        { [name]: value },
        {
          program: '/bin/sh',
          args: ['-c', become, process.execPath],
          held: ['-c', door + become, process.execPath],
        },
      )
    }
    const hold = (keeper: KeeperUnderTest, spec: ReturnType<typeof aSpec>) =>
      keeper.request<null>({ kind: 'hold', scope: SCOPE, token: 1, spec, secrets: {} })
    const held = async (keeper: KeeperUnderTest) => {
      const [name, value] = entry()
      const spec = waiting(name, value)
      await hold(keeper, spec)
      await hold(keeper, spec)
      const living = () => livingWith(`${name}=${value}`).map(({ pid }) => pid)
      await vi.waitFor(() => expect(living()).toHaveLength(1), DEADLINE)
      expect(await keeper.replica()).toBeUndefined()
      return { spec, living }
    }

    it('waits unseen, and becomes the program at the start', async () => {
      const keeper = await make()
      const { spec, living } = await held(keeper)
      const [pid] = living()
      await start(keeper, spec)
      expect(await keeper.replica()).toMatchObject({ state: 'running', restarts: 0, process: { pid } })
      await vi.waitFor(
        async () => expect(await readFile(`/proc/${pid}/cmdline`, 'utf8')).toContain('contract-app'),
        DEADLINE,
      )
      await keeper.request({ kind: 'stop', scope: SCOPE, token: 1, replica: 'web-1-1', graceMs: 30_000 })
      await until(keeper, { state: 'exited', lastExit: { known: true } })
    })

    it('is not taken for another launch', async () => {
      const keeper = await make()
      const { living } = await held(keeper)
      const [pid = 0] = living()
      await start(keeper)
      expect(identify(pid)).toBeNull()
      expect(await keeper.replica()).toMatchObject({ state: 'running' })
    })

    it('starts anew when what waited is gone', async () => {
      const keeper = await make()
      const { spec, living } = await held(keeper)
      for (const pid of living()) process.kill(pid, 'SIGKILL')
      await vi.waitFor(() => expect(living()).toEqual([]), DEADLINE)
      await start(keeper, spec)
      expect(await keeper.replica()).toMatchObject({ state: 'running', restarts: 0 })
    })

    it('ends when it is released, and with its keeper', async () => {
      const keeper = await make()
      const first = await held(keeper)
      await keeper.request({ kind: 'release', scope: SCOPE, token: 1, replica: 'web-1-1' })
      expect(first.living()).toEqual([])
      const second = await held(keeper)
      await keeper.kill()
      await vi.waitFor(() => expect(second.living()).toEqual([]), DEADLINE)
      await start(keeper, second.spec)
      expect(await keeper.replica()).toMatchObject({ state: 'running', restarts: 0 })
    })

    it('is started once, whenever the keeper is killed meanwhile', async () => {
      const keeper = await make()
      for (let round = 1; round <= 8; round++) {
        const [name, value] = entry()
        const spec = { ...waiting(name, value), place: { ...aSpec().place, replica: `web-1-${round}` } }
        await hold(keeper, spec)
        const { pid } = await keeper.request<KeeperStatus>({ kind: 'status' })
        const asked = start(keeper, spec)
        await delay(round / 2)
        process.kill(pid, 'SIGKILL')
        await asked
        await until(keeper, { state: 'running' }, `web-1-${round}`)
        await vi.waitFor(() => expect(livingWith(`${name}=${value}`)).toHaveLength(1), DEADLINE)
      }
    })
  })

  describe('with a router', () => {
    const routed = async () => {
      const port = await freePort()
      const program = join(import.meta.dirname, 'testing-router.ts')
      const keeper = await make((folder) => [process.execPath, program, String(port), join(folder, 'told')])
      const file = join(keeper.folder, 'told')
      const told = async () => (await readFile(file, 'utf8')).trim().split('\n')
      const answer = async () => Number(await readPort(port))
      await keeper.request({ kind: 'status' })
      await vi.waitFor(answer, DEADLINE)
      return { keeper, told, answer }
    }

    it('gives it the socket that it asks for, and its successor the same one after a crash', async () => {
      const { answer } = await routed()
      const first = await answer()
      process.kill(first, 'SIGKILL')
      // No connection is refused meanwhile: it waits in the backlog of the socket that the keeper holds.
      const second = await answer()
      expect(second).not.toBe(first)
    })

    it('hands the sockets to its successor, whose router goes on with them', async () => {
      const { keeper, answer } = await routed()
      const first = await answer()
      await handover(keeper)
      // The test's router has no router.sock on which it could be asked to make way.
      process.kill(first, 'SIGKILL')
      const second = await answer()
      expect(second).not.toBe(first)
      expect((await keeper.request<KeeperStatus>({ kind: 'status' })).routerPid).toBe(second)
    })

    it('tells it of exits', async () => {
      const { keeper, told } = await routed()
      await start(keeper)
      const { process: running } = await until(keeper, { state: 'running' })
      process.kill(running?.pid ?? 0, 'SIGKILL')
      const message = { kind: 'exited', scope: 'shop/test', replica: 'web-1-1' }
      await vi.waitFor(async () => expect(await told()).toContain(JSON.stringify(message)), DEADLINE)
    })

    it('leaves the router of a killed keeper alone while it serves', async () => {
      const { keeper, answer } = await routed()
      const first = await answer()
      await keeper.kill()
      expect((await keeper.request<KeeperStatus>({ kind: 'status' })).routerPid).toBe(first)
      expect(await answer()).toBe(first)
      process.kill(first, 'SIGKILL')
      await vi.waitFor(async () => expect(await answer()).not.toBe(first), DEADLINE)
    })
  })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
