import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { KernelPath } from './kernel/kernel-path.ts'
import { describeRouter } from './router.contract.ts'
import type { SocketsAsked } from './sockets/choose-sockets.ts'
import {
  ask,
  exchange,
  freePort,
  kernelPathMissing,
  Load,
  startReplica,
  startTcp,
  StubKeeper,
  until,
} from './testing.ts'

const make = (fastPath: 'nftables' | 'none', sockets?: SocketsAsked) => async () => {
  const keeper = await StubKeeper.open(fastPath, sockets)
  return {
    router: keeper.client,
    exited: (scope: string, replica: string) => keeper.exited(scope, replica),
    close: () => keeper.close(),
  }
}

describeRouter('the userland router', null, make('none'))
describeRouter('the userland router on node:net', null, make('none', 'net'))
describeRouter('the kernel router', kernelPathMissing, make('nftables'))

const scope = { app: 'shop', environment: 'prod' }
const { signal } = new AbortController()

/** Two replicas behind a published address. */
async function serving(fastPath: 'nftables' | 'none') {
  const keeper = await StubKeeper.open(fastPath)
  const replicas = [await startReplica('web-1-1', 1), await startReplica('web-1-2', 1)]
  const listen = { host: '127.0.0.1', port: await freePort() }
  await keeper.client.publish(scope, [{ role: 'web', listen }], 1, signal)
  for (const { target } of replicas) await keeper.client.admit(scope, target, 1, signal)
  const close = async () => {
    await keeper.close()
    for (const replica of replicas) await replica.close()
  }
  return { keeper, replicas, listen, close }
}

const killAndAwaitSuccessor = async (keeper: StubKeeper) => {
  const before = keeper.child
  before.kill('SIGKILL')
  await until('a successor serves', async () => {
    return keeper.child !== before && (await keeper.client.who(signal)).pid === keeper.child.pid
  })
}

const nft = (...args: string[]) =>
  spawnSync('nft', args, { encoding: 'utf8', env: { PATH: `${process.env.PATH}:/usr/sbin` } })

describe('the router process', { timeout: 120_000 }, () => {
  it('refuses no connection when it is killed under load, and loses only those that it carried (F18)', async () => {
    const { keeper, listen, close } = await serving('none')
    try {
      const load = new Load(listen, 300)
      let carried = 0
      for (let kill = 0; kill < 3; kill++) {
        const answered = load.answered
        await until('requests are answered', () => load.answered > answered + 100)
        keeper.child.once('exit', () => {
          carried += load.connections
        })
        await killAndAwaitSuccessor(keeper)
      }
      const answered = load.answered
      await until('the last successor answers', () => load.answered > answered + 100)
      const { lost } = await load.end()
      expect(lost.filter((why) => why.includes('ECONNREFUSED') || why.includes('timed out'))).toEqual([])
      expect(lost.length).toBeLessThanOrEqual(carried)
      expect((await keeper.client.observe(scope, signal)).targets.map(({ state }) => state)).toEqual([
        'Active',
        'Active',
      ])
    } finally {
      await close()
    }
  })

  it.skipIf(kernelPathMissing !== null)(
    `loses nothing at all when it is killed while the kernel redirects (F18)${kernelPathMissing ?? ''}`,
    async () => {
      const { keeper, listen, close } = await serving('nftables')
      try {
        const load = new Load(listen, 300)
        for (let kill = 0; kill < 3; kill++) {
          const answered = load.answered
          await until('requests are answered', () => load.answered > answered + 100)
          await killAndAwaitSuccessor(keeper)
        }
        const { lost, sent } = await load.end()
        expect(lost).toEqual([])
        expect(load.answered).toBe(sent)
        expect((await keeper.client.observe(scope, signal)).path).toBe('nftables')
      } finally {
        await close()
      }
    },
  )

  it('believes no target to be healthy after a crash until it takes a connection', async () => {
    const { keeper, replicas, listen, close } = await serving('none')
    try {
      const [gone] = replicas
      await gone?.close()
      await killAndAwaitSuccessor(keeper)
      const states = (await keeper.client.observe(scope, signal)).targets.map(({ state }) => state)
      expect(states).toEqual(['Down', 'Active'])
      for (let n = 0; n < 10; n++) expect((await ask(listen)).replica).toBe('web-1-2')
    } finally {
      await close()
    }
  })

  it('remembers tokens across a crash', async () => {
    const { keeper, close } = await serving('none')
    try {
      await keeper.client.publish(scope, [], 9, signal)
      await killAndAwaitSuccessor(keeper)
      await expect(keeper.client.publish(scope, [], 8, signal)).rejects.toMatchObject({ code: 'FENCED' })
    } finally {
      await close()
    }
  })

  it('goes on without its parent, and binds new addresses by itself', async () => {
    const { keeper, listen, close } = await serving('none')
    try {
      keeper.child.disconnect()
      await until('it has noticed', async () => !(await keeper.client.who(signal)).hasParent)
      expect((await ask(listen)).revision).toBe(1)
      const more = { host: '127.0.0.1', port: await freePort() }
      const routes = [listen, more].map((each) => ({ role: 'web', listen: each }))
      await keeper.client.publish(scope, routes, 1, signal)
      expect((await ask(more)).revision).toBe(1)
      await keeper.client.exited(scope, 'web-1-1', signal)
      for (let n = 0; n < 5; n++) expect((await ask(more)).replica).toBe('web-1-2')
    } finally {
      await close()
    }
  })

  it('moves a connection on which nothing was sent yet when its target drains', async () => {
    const { keeper, listen, close } = await serving('none')
    try {
      const sockets = [connect(listen), connect(listen)]
      await until('both replicas have one', async () => {
        return (await keeper.client.observe(scope, signal)).targets.every(({ open }) => open === 1)
      })
      await keeper.client.drain(scope, 'web-1-1', 1, signal)
      for (const socket of sockets) expect((await exchange(socket, false)).replica).toBe('web-1-2')
    } finally {
      await close()
    }
  })

  it('sends a connection elsewhere when its target refuses it, and counts that', async () => {
    const { keeper, replicas, listen, close } = await serving('none')
    try {
      await replicas[0]?.close()
      for (let n = 0; n < 10; n++) expect((await ask(listen)).replica).toBe('web-1-2')
      const [gone] = (await keeper.client.observe(scope, signal)).targets
      expect(gone?.counts.refused).toBeGreaterThanOrEqual(5)
    } finally {
      await close()
    }
  })

  it('counts an answer that its target never gave as cut', async () => {
    const keeper = await StubKeeper.open('none')
    const rude = await startTcp('web-1-1', 1, (socket) => socket.once('data', () => socket.destroy()))
    try {
      const listen = { host: '127.0.0.1', port: await freePort() }
      await keeper.client.publish(scope, [{ role: 'web', listen }], 1, signal)
      await keeper.client.admit(scope, rude.target, 1, signal)
      await expect(ask(listen)).rejects.toThrow()
      expect((await keeper.client.observe(scope, signal)).targets[0]?.counts.cut).toBe(1)
    } finally {
      await keeper.close()
      await rude.close()
    }
  })

  it('says why when nft is not there, and does without it', async () => {
    const notes: string[] = []
    const wanted = () => ({ services: new Map<string, readonly number[]>(), ports: new Set<number>() })
    const note = (message: string) => notes.push(message)
    const path = await KernelPath.open({ instanceId: 'none', generation: 1, wanted, note, program: '/nonexistent/nft' })
    expect(path).toBeNull()
    expect(notes).toHaveLength(1)
    expect(notes[0]).toContain('the userland router alone')
  })
})

describe.skipIf(kernelPathMissing !== null)(`the kernel's table${kernelPathMissing ?? ''}`, () => {
  it('is put back when another program takes it away', async () => {
    const { keeper, listen, close } = await serving('nftables')
    const table = `naru_${keeper.instanceId}`
    try {
      const load = new Load(listen, 200)
      expect(nft('delete', 'table', 'inet', table).status).toBe(0)
      await until('it is there again', () => nft('list', 'map', 'inet', table, 'at4').stdout.includes(`${listen.port}`))
      const answered = load.answered
      await until('requests are answered', () => load.answered > answered + 100)
      expect((await load.end()).lost).toEqual([])
      expect((await keeper.client.notes(signal)).join()).toContain('changed by another program')
    } finally {
      await close()
    }
  })

  it('is gone after the end, with nothing else left behind', async () => {
    const { keeper, listen, close } = await serving('nftables')
    expect(nft('list', 'tables').stdout).toContain(keeper.instanceId)
    await close()
    expect(nft('list', 'tables').stdout).not.toContain(keeper.instanceId)
    await expect(ask(listen)).rejects.toThrow('ECONNREFUSED')
  })

  it('refuses a router that another has followed', async () => {
    const { keeper, close } = await serving('nftables')
    try {
      const notes: string[] = []
      const wanted = () => ({ services: new Map<string, readonly number[]>(), ports: new Set<number>() })
      const stale = await KernelPath.open({
        instanceId: keeper.instanceId,
        generation: 0,
        wanted,
        note: (m) => notes.push(m),
      })
      expect(stale).toBeNull()
      expect(notes.join()).toContain('owns it')
      const { stdout } = nft('list', 'map', 'inet', `naru_${keeper.instanceId}`, 'at4')
      expect(stdout.match(/127\.0\.0\.1/g)).not.toBeNull()
    } finally {
      await close()
    }
  })

  it('redirects what comes from another machine, on the published address only', async () => {
    const id = randomBytes(3).toString('hex')
    const [space, here, there] = [`naru-${id}`, `nr${id}a`, `nr${id}b`]
    const net = `10.${(Number.parseInt(id.slice(0, 2), 16) % 200) + 20}.${Number.parseInt(id.slice(2, 4), 16)}`
    const ip = (...args: string[]) => spawnSync('ip', args, { encoding: 'utf8' })
    const made = await serving('nftables')
    try {
      ip('netns', 'add', space)
      ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', space)
      ip('addr', 'add', `${net}.1/30`, 'dev', here)
      ip('link', 'set', here, 'up')
      ip('-n', space, 'addr', 'add', `${net}.2/30`, 'dev', there)
      ip('-n', space, 'link', 'set', there, 'up')
      const open = { host: `${net}.1`, port: await freePort() }
      const routes = [open, made.listen].map((listen) => ({ role: 'web', listen }))
      await made.keeper.client.publish(scope, routes, 1, signal)
      const code = (port: number) =>
        `require('http').get('http://${net}.1:${port}', r => r.pipe(process.stdout)).on('error', e => console.log(e.code))`
      const outside = async (port: number) => {
        const child = spawn('ip', ['netns', 'exec', space, process.execPath, '-e', code(port)])
        return (await Array.fromAsync(child.stdout)).join('')
      }
      expect(await outside(open.port)).toContain('"revision":1')
      expect(await outside(made.listen.port)).toBe('ECONNREFUSED\n')
      const { targets } = await made.keeper.client.observe(scope, signal)
      expect(targets.reduce((sum, { counts }) => sum + counts.connections, 0)).toBe(1)
      const table = nft('list', 'set', 'inet', `naru_${made.keeper.instanceId}`, 'given').stdout
      expect(table).toMatch(/packets 1 /)
    } finally {
      ip('netns', 'del', space)
      ip('link', 'del', here)
      await made.close()
    }
  })
})
