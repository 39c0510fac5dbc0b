import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Event } from '../../../src/model/event.ts'
import { processesOf } from '../harness/leftovers.ts'
import { OpenLoop } from '../harness/open-loop.ts'
import { type Ended, renderEvents } from '../harness/operation.ts'
import { hasKernelPath, Stage } from '../harness/stage.ts'
import type { TestApp } from '../harness/test-app.ts'

/** A few points; test/e2e/crash-matrix walks all of them. */
type Point = readonly [name: string, isIt: (event: Event) => boolean]

const atStep = (kind: string): Point => [
  `after the step ${kind}`,
  (event) => event.kind === 'step' && event.step.kind === kind,
]
const POINTS: readonly Point[] = [
  ['while it builds', (event) => event.kind === 'station' && event.station === 'build'],
  ...['prepare', 'admit', 'stop'].map(atStep),
  ['when it has ended', (event) => event.kind === 'station' && event.note === 'all-new'],
]

describe('a server that is killed in the middle of a rollout (F1, F14)', {
  timeout: 120_000,
}, () => {
  let stage: Stage
  let app: TestApp
  beforeAll(async () => {
    stage = await Stage.open({ router: hasKernelPath ? 'nftables' : 'userland' })
    app = await stage.app('crash')
    await app.commit('good')
    expect(await stage.deploy(app)).toMatchObject({ exit: 0 })
  })
  afterAll(async () => {
    expect(await stage.close()).toEqual([])
  })

  it.each(POINTS)('%s: must be continued, with nothing lost, doubled or left', async (_name, isIt) => {
    const { revision: before } = await stage.status(app)
    const load = new OpenLoop(app.url, 50)
    await app.commit('good')
    const ended = await killAt(stage, await stage.begin(app), isIt)
    const story = renderEvents(ended.events)
    expect(await load.stop(), story).toEqual([])
    expect([0, 9], story).toContain(ended.exit)
    // What was not a rollout yet ends with the server: nothing was touched.
    const wanted = ended.exit === 0 ? ended.end.revision : before
    if (ended.exit === 0)
      expect(ended, story).toMatchObject({ end: { endState: 'all-new' }, receipt: { fewestAvailable: 2 } })
    await expectOnly(stage, app, wanted)
  })

  it('while it rolls back: must still be told as all-old', async () => {
    const { revision: before } = await stage.status(app)
    await app.commit('crashes')
    const ended = await killAt(stage, await stage.begin(app), (event) => event.kind === 'failure')
    const story = renderEvents(ended.events)
    expect(ended, story).toMatchObject({ exit: 7, end: { endState: 'all-old' } })
    await expectOnly(stage, app, before)
  })

  it('while it stops: must stop everything, and end', async () => {
    const ended = await killAt(stage, await stage.command(app, 'stop'), ({ kind }) => kind === 'step')
    expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 0 })
    expect(await stage.status(app)).toMatchObject({ revision: null, replicas: [] })
    expect(programs(stage)).toEqual([])
  })
})

describe.each(hasKernelPath ? (['userland', 'nftables'] as const) : (['userland'] as const))(
  'with the router %s',
  { timeout: 120_000 },
  (router) => {
    let stage: Stage
    let app: TestApp
    beforeAll(async () => {
      stage = await Stage.open({ router })
      app = await stage.app('parts')
      await app.commit('good')
      expect(await stage.deploy(app)).toMatchObject({ exit: 0 })
    })
    afterAll(async () => {
      expect(await stage.close()).toEqual([])
    })

    // These two first, while the keeper holds the sockets: the successor of a killed keeper can only start a router that binds anew.
    it('a router that is killed in the middle of a rollout must be followed by one that serves, and the rollout go on (F18)', async () => {
      const load = new OpenLoop(app.url, 50)
      const ended = await during(stage, app, () => killProgram(stage, 'router-main'))
      const lost = (await load.stop()).map(({ lost: why }) => why)
      expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 0, end: { endState: 'all-new' } })
      // The kernel's path goes on by itself. Bytes that the userland router held are gone with it; nobody is turned away.
      const allowed = router === 'nftables' ? [] : ['ECONNRESET', 'EPIPE', 'incomplete']
      expect(lost.filter((why) => !allowed.includes(why ?? ''))).toEqual([])
      await expectOnly(stage, app, ended.end.revision)
    })

    it('a router, then a keeper, then both with the server, killed at rest: each must be followed by another, and no replica notice', async () => {
      const { revision } = await stage.status(app)
      const before = pids(stage)
      const load = new OpenLoop(app.url, 50)
      await replaced(stage, ['router-main'])
      // The next one has the sockets when it answers: until then only the keeper holds them.
      await expect.poll(() => fetch(app.url).then(() => true, String), { timeout: 20_000 }).toBe(true)
      await replaced(stage, ['keeper-main'])
      const lost = (await load.stop()).map(({ lost: why }) => why)
      const allowed = router === 'nftables' ? [] : ['ECONNRESET', 'EPIPE', 'incomplete']
      expect(lost.filter((why) => !allowed.includes(why ?? ''))).toEqual([])
      await stage.server.kill()
      const gone = ['keeper-main', 'router-main'].map((name) => killProgram(stage, name))
      await stage.server.start()
      await othersRun(stage, ['keeper-main', 'router-main'], gone)
      await expectOnly(stage, app, revision)
      expect(pids(stage)).toEqual(before)
    })

    it('a keeper that is killed in the middle of a rollout must leave the replicas running, and the rollout go on (F2)', async () => {
      const load = new OpenLoop(app.url, 50)
      const ended = await during(stage, app, () => killProgram(stage, 'keeper-main'))
      expect(await load.stop(), renderEvents(ended.events)).toEqual([])
      expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 0, end: { endState: 'all-new' } })
      await expectOnly(stage, app, ended.end.revision)
    })

    it('server, keeper and router killed at once in the middle of a rollout must leave the replicas running, and the rollout go on when the server is back (F1, F2, F18)', async () => {
      const load = new OpenLoop(app.url, 50)
      let restarting: Promise<void> | undefined
      const ended = await during(stage, app, () => {
        for (const name of ['keeper-main', 'router-main']) killProgram(stage, name)
        restarting = stage.server.kill().then(() => stage.server.start())
        restarting.catch(() => {})
      })
      await restarting
      const lost = (await load.stop()).map(({ lost: why }) => why)
      expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 0, end: { endState: 'all-new' } })
      // Nobody holds the published address until the server is back, unless the kernel's path is in front of it.
      const allowed = router === 'nftables' ? [] : ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'incomplete']
      expect(lost.filter((why) => !allowed.includes(why ?? ''))).toEqual([])
      await expectOnly(stage, app, ended.end.revision)
    })

    it('a replica that is killed at rest must be started again, serve, and be counted by the status (F8)', async () => {
      const { revision } = await stage.status(app)
      const [first = 0, second = 0] = pids(stage)
      process.kill(first, 'SIGKILL')
      const status = await stage.until(app, 'it was started again and serves', ({ replicas }) => {
        return replicas.some(({ restarts, ready, target }) => restarts === 1 && ready && target === 'Active')
      })
      expect(status.replicas.map(({ restarts }) => restarts).sort()).toEqual([0, 1])
      expect(pids(stage)).toContain(second)
      await expectOnly(stage, app, revision)
    })
  },
)

/** Kills them, and waits until others run in their place. */
async function replaced(stage: Stage, names: readonly string[]): Promise<void> {
  await othersRun(
    stage,
    names,
    names.map((name) => killProgram(stage, name)),
  )
}

async function othersRun(stage: Stage, names: readonly string[], gone: readonly number[]): Promise<void> {
  await expect.poll(() => names.every((name) => runsBeside(stage, name, gone)), { timeout: 20_000 }).toBe(true)
}

const runsBeside = (stage: Stage, name: string, gone: readonly number[]): boolean =>
  processesOf(stage.server.folder).some(({ pid, command }) => isProgram(command, name) && !gone.includes(pid))

/** The keeper's arguments name the router's program too. */
const isProgram = (command: string, name: string): boolean => command.split(' ')[1]?.endsWith(`/${name}.ts`) ?? false

/** Kills the server with SIGKILL when the event comes, starts it again, and follows the operation to its end. */
async function killAt(stage: Stage, operation: string, isIt: Point[1]): Promise<Ended> {
  const restarts: Promise<void>[] = []
  const ended = await stage.follow(operation, (event) => {
    if (restarts.length === 0 && isIt(event)) restarts.push(stage.server.kill().then(() => stage.server.start()))
  })
  await Promise.all(restarts)
  return ended
}

/** Deploys the next version, and does something when its first replica has been started. */
async function during(stage: Stage, app: TestApp, act: () => unknown): Promise<Ended> {
  await app.commit('good')
  let isDone = false
  return stage.deploy(app, (event) => {
    if (isDone || event.kind !== 'step' || event.step.kind !== 'start') return
    isDone = true
    act()
  })
}

/** Answers its pid. */
function killProgram(stage: Stage, name: string): number {
  const found = processesOf(stage.server.folder).find(({ command }) => isProgram(command, name))
  if (found === undefined) throw new Error(`${name} does not run`)
  process.kill(found.pid, 'SIGKILL')
  return found.pid
}

/** Exactly the wanted replicas run, of the one revision, and they serve. */
async function expectOnly(stage: Stage, app: TestApp, revision: number | null): Promise<void> {
  const status = await stage.until(
    app,
    'nothing is under way',
    ({ rollout, replicas }) => rollout === null && replicas.length === 2,
  )
  expect(status.revision).toBe(revision)
  expect(status.replicas.map((replica) => [replica.revision, replica.ready, replica.target])).toEqual([
    [revision, true, 'Active'],
    [revision, true, 'Active'],
  ])
  expect(programs(stage)).toHaveLength(2)
  expect(await (await fetch(app.url)).json()).toMatchObject({ revision: String(revision) })
}

/** The application's processes that really run; not the ones that hold their namespaces, whose command ends alike. */
const programs = (stage: Stage) =>
  processesOf(stage.server.folder).filter(({ command }) => /^\S*node server\.mjs$/.test(command))

const pids = (stage: Stage): number[] => programs(stage).map(({ pid }) => pid)
