import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OpenLoop } from '../harness/open-loop.ts'
import { renderEvents } from '../harness/operation.ts'
import { Stage } from '../harness/stage.ts'

const started = (status: { replicas: readonly { revision: number }[] }, revision: number) =>
  status.replicas.some((replica) => replica.revision === revision)

describe('a rollout that people steer', { timeout: 120_000 }, () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await Stage.open()
  })
  afterAll(async () => {
    expect(await stage.close()).toEqual([])
  })

  it('a newer deploy must supersede it with exit 11, and win (F5)', async () => {
    const app = await stage.app('newer')
    await app.commit('good')
    await stage.deploy(app)
    await app.commit('good', { env: { SLOW_MS: 30_000 } })
    const older = await stage.begin(app)
    await stage.until(app, 'the slow one has started', (status) => started(status, 2))
    await app.commit('good')
    const newer = await stage.deploy(app)
    expect(newer, renderEvents(newer.events)).toMatchObject({ exit: 0, end: { endState: 'all-new', revision: 3 } })
    expect(await stage.follow(older)).toMatchObject({ exit: 11, failures: [{ code: 'ROLLOUT_SUPERSEDED' }] })
    expect((await stage.history(app)).slice(0, 2)).toMatchObject([
      { to: 3, from: 1 },
      { to: 2, supersededBy: 3 },
    ])
  })

  it('a newer deploy that fails before it touches anything must take back what it superseded', async () => {
    const app = await stage.app('tookover')
    await app.commit('good', { replicas: 1 })
    await stage.deploy(app)
    await app.commit('good', { replicas: 1, env: { SLOW_MS: 30_000 } })
    const older = await stage.begin(app)
    await stage.until(app, 'the slow one has started', (status) => started(status, 2))
    await app.commit('good', { replicas: 1, migrate: { run: ['/usr/local/bin/node', '--eval', 'process.exit(3)'] } })
    const newer = await stage.deploy(app)
    expect(newer, renderEvents(newer.events)).toMatchObject({ exit: 7, end: { endState: 'all-old' } })
    expect(newer.failures).toMatchObject([{ code: 'MIGRATE_FAILED' }])
    expect(await stage.follow(older)).toMatchObject({ exit: 11 })
    const status = await stage.status(app)
    expect([status.revision, status.replicas.map(({ revision }) => revision)]).toEqual([1, [1]])
  })

  it('of 20 deploys at once one must win, and each must end (F5)', async () => {
    const app = await stage.app('many')
    await app.commit('good', { replicas: 1 })
    await stage.deploy(app)
    const operations = await Promise.all(Array.from({ length: 20 }, () => stage.begin(app)))
    const ended = await Promise.all(operations.map((operation) => stage.follow(operation)))
    const exits = ended.map(({ exit }) => exit)
    expect(exits.filter((exit) => exit !== 11 && exit !== 0)).toEqual([])
    expect(exits.filter((exit) => exit === 11).length).toBeGreaterThan(0)
    // Those that were overtaken while they were being built got no number.
    const revisions = ended.flatMap(({ end }) => (end.revision === null ? [] : [end.revision]))
    expect(new Set(revisions).size).toBe(revisions.length)
    const newest = Math.max(...revisions)
    expect(ended.find(({ end }) => end.revision === newest)).toMatchObject({ exit: 0 })
    const status = await stage.status(app)
    expect(status.replicas.map(({ revision }) => revision)).toEqual([newest])
  })

  it('must do nothing but scale while it is paused, and go on when it is resumed', async () => {
    const app = await stage.app('paused')
    await app.commit('good', { replicas: 2, rollout: { minReadySeconds: 1 } })
    await stage.deploy(app)
    await app.commit('good', { replicas: 2, rollout: { minReadySeconds: 1 } })
    const operation = await stage.begin(app)
    await stage.until(app, 'one has started', (status) => started(status, 2))
    expect(await stage.command(app, 'pause')).toBe(operation)
    expect(await stage.status(app)).toMatchObject({ paused: true, rollout: { phase: 'Paused' } })
    expect(await stage.command(app, 'scale', { replicas: { web: 4 } })).toBe(operation)
    const scaled = await stage.until(app, 'four run and serve', ({ roles }) => (roles[0]?.available ?? 0) >= 4)
    expect(scaled.roles[0]).toMatchObject({ replicas: 4 })
    expect(scaled.roles[0]?.old).toBeGreaterThan(0)
    expect(await stage.command(app, 'resume')).toBe(operation)
    const ended = await stage.follow(operation)
    expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 0, end: { endState: 'all-new' } })
    expect((await stage.status(app)).roles[0]).toMatchObject({ replicas: 4, updated: 4, old: 0 })
  })

  it('an abort must bring the old release back, and be exit 7', async () => {
    const app = await stage.app('aborted')
    await app.commit('good')
    await stage.deploy(app)
    await app.commit('good', { env: { SLOW_MS: 30_000 } })
    const operation = await stage.begin(app)
    await stage.until(app, 'one has started', (status) => started(status, 2))
    expect(await stage.command(app, 'abort')).toBe(operation)
    const ended = await stage.follow(operation)
    expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 7, failures: [{ code: 'ROLLOUT_ABORTED' }] })
    expect((await stage.status(app)).replicas.map(({ revision }) => revision)).toEqual([1, 1])
  })

  it('a rollback must bring back image, settings and secrets, under load', async () => {
    const app = await stage.app('back')
    await stage.setSecret(app, 'TOKEN', 'old value')
    await app.commit('good', { env: { SETTING: 'old' }, secrets: ['TOKEN'] })
    await stage.deploy(app)
    await stage.setSecret(app, 'TOKEN', 'new value')
    await app.commit('good', { env: { SETTING: 'new' }, secrets: ['TOKEN'] })
    await stage.deploy(app)
    expect(await say(app.url)).toMatchObject({ version: 'v2', setting: 'new', env: 'new value' })
    const load = new OpenLoop(app.url, 50)
    const ended = await stage.run(app, 'rollback', { revision: null })
    expect(await load.stop()).toEqual([])
    expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 0, end: { revision: 1, endState: 'all-new' } })
    expect(ended.receipt).toMatchObject({ kind: 'rollback', from: 2, to: 1, secretsChanged: ['TOKEN'] })
    expect(await say(app.url)).toMatchObject({ version: 'v1', setting: 'old', env: 'old value' })
  })

  it('a stop must end all replicas, give the address back, and allow to start again', async () => {
    const app = await stage.app('stopped')
    for (const _version of [1, 2]) {
      await app.commit('good')
      await stage.deploy(app)
    }
    const ended = await stage.run(app, 'stop')
    expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 0 })
    expect(await stage.status(app)).toMatchObject({ revision: null, replicas: [] })
    await expect(fetch(app.url)).rejects.toThrow()
    // It is what was stopped that comes back, and not what ran before it: the receipt and the command go by one rule.
    expect(ended.receipt?.back).toEqual({ command: 'naru rollback', revision: 2 })
    expect(await stage.status(app)).toMatchObject({ back: 2 })
    const again = { code: 'APP_STOPPED', hint: expect.stringContaining('r2, which ran last') }
    await expect(stage.command(app, 'stop')).rejects.toMatchObject(again)
    await expect(stage.command(app, 'scale', { replicas: { web: 2 } })).rejects.toMatchObject(again)
    expect(await stage.run(app, 'rollback', { revision: null })).toMatchObject({ exit: 0, end: { revision: 2 } })
    expect(await say(app.url)).toMatchObject({ version: 'v2' })
  })

  it('a scale must be a rollout of its own with a receipt', async () => {
    const app = await stage.app('scaled')
    await app.commit('good', { replicas: 1 })
    await stage.deploy(app)
    const up = await stage.run(app, 'scale', { replicas: { web: 3 } })
    expect(up, renderEvents(up.events)).toMatchObject({
      exit: 0,
      receipt: { kind: 'scale', replicas: 3, requests: { lost: 0 } },
    })
    const load = new OpenLoop(app.url, 50)
    expect(await stage.run(app, 'scale', { replicas: { web: 1 } })).toMatchObject({ exit: 0 })
    expect(await load.stop()).toEqual([])
    expect((await stage.status(app)).replicas).toHaveLength(1)
  })
})

async function say(url: string): Promise<unknown> {
  const [plain, secret] = await Promise.all([fetch(url), fetch(`${url}/secret`)])
  return { ...((await plain.json()) as object), ...((await secret.json()) as object) }
}
