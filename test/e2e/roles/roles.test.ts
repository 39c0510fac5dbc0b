import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { processesOf } from '../harness/leftovers.ts'
import { OpenLoop } from '../harness/open-loop.ts'
import { renderEvents } from '../harness/operation.ts'
import { Stage } from '../harness/stage.ts'

describe('roles, migrate and history', { timeout: 120_000 }, () => {
  let stage: Stage
  let runs = 0
  const counter = createServer((_request, response) => {
    runs++
    response.end()
  })
  beforeAll(async () => {
    await new Promise<void>((resolve) => counter.listen(0, '127.0.0.1', resolve))
    stage = await Stage.open()
  })
  afterAll(async () => {
    counter.close()
    expect(await stage.close()).toEqual([])
  })
  const counterUrl = () => `http://127.0.0.1:${(counter.address() as AddressInfo).port}/`

  it('web and worker must be rolled one after the other, the worker without a port', async () => {
    const app = await stage.app('roles')
    const roles = { web: { port: 8080, replicas: 1 }, worker: { replicas: 2, env: { MODE: 'worker' } } }
    const settings = { replicas: undefined, roles }
    await app.commit('good', settings)
    const first = await stage.deploy(app)
    expect(first, renderEvents(first.events)).toMatchObject({ exit: 0 })
    await app.commit('good', settings)
    const ended = await stage.deploy(app)
    expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 0, end: { endState: 'all-new' } })
    const started = ended.events.flatMap((event) =>
      event.kind === 'step' && event.step.kind === 'start' ? [event.step.role] : [],
    )
    expect(started).toEqual(['web', 'worker', 'worker'])
    const status = await stage.status(app)
    expect(
      status.replicas.map(({ role, revision, ready, address }) => [role, revision, ready, address !== null]),
    ).toEqual([
      ['web', 2, true, true],
      ['worker', 2, true, false],
      ['worker', 2, true, false],
    ])
  })

  it('migrate must run once, before anything is replaced, with its log shown', async () => {
    const app = await stage.app('migrates')
    const migrate = { run: ['/usr/local/bin/node', 'migrate.mjs'], timeoutSeconds: 30 }
    await app.commit('good', { replicas: 1, migrate, env: { COUNTER: counterUrl() } })
    runs = 0
    const ended = await stage.deploy(app)
    const story = renderEvents(ended.events)
    expect(ended, story).toMatchObject({ exit: 0, receipt: { migrate: 'done' } })
    expect(runs).toBe(1)
    const logged = ended.events.flatMap((event) => (event.kind === 'log' ? [event.line] : []))
    expect(logged).toContain('moving the table of orders')
    const kinds = ended.events.flatMap((event) => (event.kind === 'step' ? [event.step.kind] : []))
    expect(kinds.indexOf('migrate')).toBeLessThan(kinds.indexOf('start'))
  })

  it('migrate that fails must leave the old release untouched', async () => {
    const app = await stage.app('unmigrated')
    await app.commit('good', { replicas: 1 })
    await stage.deploy(app)
    const migrate = { run: ['/usr/local/bin/node', 'migrate.mjs'], timeoutSeconds: 30 }
    await app.commit('good', { replicas: 1, migrate, env: { MIGRATE_EXIT: 7 } })
    const load = new OpenLoop(app.url, 50)
    const ended = await stage.deploy(app)
    expect(await load.stop()).toEqual([])
    expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 7, failures: [{ code: 'MIGRATE_FAILED' }] })
    expect(ended.end.endState).toBe('all-old')
    expect(ended.receipt).toMatchObject({ migrate: 'failed' })
    expect(await stage.status(app)).toMatchObject({ revision: 1, replicas: [{ revision: 1, restarts: 0 }] })
  })

  it('migrate must run once also when the server is killed meanwhile', async () => {
    const app = await stage.app('killed')
    const migrate = { run: ['/usr/local/bin/node', 'migrate.mjs'], timeoutSeconds: 60 }
    await app.commit('good', { replicas: 1, migrate, env: { COUNTER: counterUrl(), MIGRATE_MS: 3000 } })
    runs = 0
    const restarts: Promise<void>[] = []
    const ended = await stage.follow(await stage.begin(app), (event) => {
      if (restarts.length > 0 || event.kind !== 'log' || !event.line.startsWith('moving')) return
      restarts.push(stage.server.kill().then(() => stage.server.start()))
    })
    await Promise.all(restarts)
    expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 0, end: { endState: 'all-new' } })
    expect(runs).toBe(1)
  })

  it('migrate whose end nobody saw must fail the deploy by that name, leave the old release, and not run again by itself', async () => {
    const app = await stage.app('unseen')
    await app.commit('good', { replicas: 1 })
    await stage.deploy(app)
    const migrate = { run: ['/usr/local/bin/node', 'migrate.mjs'], timeoutSeconds: 60 }
    await app.commit('good', { replicas: 1, migrate, env: { COUNTER: counterUrl(), MIGRATE_MS: 3000 } })
    runs = 0
    let isKilled = false
    const ended = await stage.deploy(app, (event) => {
      if (isKilled || event.kind !== 'log' || !event.line.startsWith('moving')) return
      isKilled = true
      const [keeper] = processesOf(stage.server.folder).filter(({ command }) => /^\S+ \S+\/keeper-main/.test(command))
      process.kill(keeper?.pid ?? 0, 'SIGKILL')
    })
    expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 7, failures: [{ code: 'MIGRATE_UNKNOWN' }] })
    expect(ended).toMatchObject({
      end: { endState: 'all-old' },
      receipt: { migrate: expect.not.stringContaining('done') },
    })
    expect(runs).toBe(1)
    expect(await stage.status(app)).toMatchObject({
      revision: 1,
      replicas: [{ revision: 1, restarts: 0, ready: true }],
    })
  })

  it('history must keep as many releases as it is told, with what they need, and no more', async () => {
    const app = await stage.app('history')
    const settings = { replicas: 1, receipt: null, rollout: { revisionHistoryLimit: 1 } }
    for (let version = 1; version <= 4; version++) {
      await app.commit('good', settings)
      expect(await stage.deploy(app)).toMatchObject({ exit: 0 })
    }
    await expect(stage.command(app, 'rollback', { revision: 1 })).rejects.toMatchObject({ code: 'RELEASE_NOT_FOUND' })
    // Forgetting comes after the end of the rollout.
    await expect.poll(() => stage.tags(app), { timeout: 20_000 }).toHaveLength(2)
    const back = await stage.run(app, 'rollback', { revision: null })
    expect(back, renderEvents(back.events)).toMatchObject({ exit: 0, end: { revision: 3 } })
  })
})
