import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cgroups } from '../../../src/engines/embedded/roots/limits/cgroups.ts'
import { freePort } from '../harness/free-ports.ts'
import { OpenLoop } from '../harness/open-loop.ts'
import { renderEvents } from '../harness/operation.ts'
import { Stage } from '../harness/stage.ts'
import type { Mode, Settings } from '../harness/test-app.ts'

/** Where the program that ignores PORT listens. */
const OWN = await freePort()
/** Whether a replica can be held to its memory here. */
const canLimit = Cgroups.open(`test${process.pid}`).limits.includes('memory')

describe('a version that cannot become ready', { timeout: 120_000 }, () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await Stage.open()
  })
  afterAll(async () => {
    expect(await stage.close()).toEqual([])
  })

  /** Deploys a good v1, then the bad one. */
  async function deployBad(mode: Mode, settings: Settings) {
    const app = await stage.app(`bad-${mode}`)
    await app.commit('good', settings)
    expect(await stage.deploy(app)).toMatchObject({ exit: 0 })
    await app.commit(mode, settings)
    const load = new OpenLoop(app.url, 50)
    const bad = await stage.deploy(app)
    return { app, bad, lost: await load.stop(), byRevision: load.byRevision }
  }

  type Row = readonly [mode: Mode, settings: Settings, code: string, message: RegExp]
  const ROWS: readonly Row[] = [
    // F7–F9 of reliability-security.md among them
    ['crashes', {}, 'REPLICA_CRASHED', /exited with code 3.*cannot reach the database/s],
    ['wrong-port', { port: OWN, env: { OWN } }, 'REPLICA_WRONG_PORT', /listens on \d+, was told \d+/],
    ['answers-500', {}, 'REPLICA_PROBE_FAILED', /500/],
  ]

  it.each(ROWS)('%s: must be diagnosed, rolled back, and lose nothing', expectRolledBack)

  it.skipIf(!canLimit)(
    'needs more memory than it may have: must be diagnosed, rolled back, and lose nothing (F11; left out where no cgroup limits memory)',
    () =>
      expectRolledBack(
        'hungry',
        { resources: { memory: '128Mi' } },
        'REPLICA_OUT_OF_MEMORY',
        /memory ran out \(its limit is 128 MiB\)/,
      ),
  )

  async function expectRolledBack(...[mode, more, code, message]: Row): Promise<void> {
    const { app, bad, lost, byRevision } = await deployBad(mode, { replicas: 2, ...more })
    const story = renderEvents(bad.events)
    expect(bad, story).toMatchObject({ exit: 7, end: { endState: 'all-old', revision: 2 } })
    expect(bad.failures[0], story).toMatchObject({ code })
    expect(bad.failures[0]?.message).toMatch(message)
    expect(lost).toEqual([])
    expect(Object.keys(byRevision)).toEqual(['1'])
    expect(bad.receipt).toMatchObject({ endState: 'all-old', failure: { code }, requests: { lost: 0 } })
    const status = await stage.status(app)
    expect(status).toMatchObject({ revision: 1, rollout: null, lastRollout: { endState: 'all-old' } })
    const served = status.replicas.map(({ revision, ready, restarts }) => [revision, ready, restarts])
    expect(served).toEqual([1, 2].map(() => [1, true, 0]))
  }

  it('crashes after a scale: must go back to the numbers from before, and be measured against them', async () => {
    const app = await stage.app('scaled-bad')
    await app.commit('good', { replicas: 2 })
    await stage.deploy(app)
    await stage.run(app, 'scale', { replicas: { web: 3 } })
    await app.commit('crashes', { replicas: 2 })
    const bad = await stage.deploy(app)
    expect(bad, renderEvents(bad.events)).toMatchObject({ exit: 7, end: { endState: 'all-old' } })
    expect(bad.receipt).toMatchObject({ replicas: 3, replicasBefore: 3, resized: [] })
    const { roles, replicas } = await stage.status(app)
    expect([roles[0]?.replicas, replicas.map(({ revision }) => revision)]).toEqual([3, [1, 1, 1]])
  })

  it('crashes, onFailure hold: must stay as it is, named mixed, and go on when it is resumed or rolled back', async () => {
    const app = await stage.app('held')
    await app.commit('good')
    await stage.deploy(app)
    await app.commit('crashes', { rollout: { onFailure: 'hold' } })
    const bad = await stage.deploy(app)
    expect(bad, renderEvents(bad.events)).toMatchObject({ exit: 8, end: { endState: 'mixed' } })
    expect(bad.receipt).toMatchObject({ held: true, back: { revision: 1 } })
    expect(bad.receipt?.runs, JSON.stringify(bad.receipt)).toContainEqual({
      role: 'web',
      revision: 1,
      replicas: 2,
      ready: 2,
    })
    expect(await stage.status(app)).toMatchObject({ paused: true, revision: 2 })
    await expect(stage.command(app, 'abort')).rejects.toMatchObject({
      code: 'ROLLOUT_NOT_RUNNING',
      hint: expect.stringMatching(/naru rollback.*naru resume/s),
    })
    const back = await stage.run(app, 'rollback', { revision: 1 })
    expect(back, renderEvents(back.events)).toMatchObject({ exit: 0, end: { endState: 'all-new', revision: 1 } })
    expect(await stage.status(app)).toMatchObject({ paused: false, revision: 1 })
  })

  it('crashes, onFailure continue: must end at its deadline by what runs', async () => {
    const app = await stage.app('continued')
    await app.commit('good')
    await stage.deploy(app)
    await app.commit('crashes', { rollout: { onFailure: 'continue', progressDeadlineSeconds: 3 } })
    const bad = await stage.deploy(app)
    expect(bad, renderEvents(bad.events)).toMatchObject({ exit: 8, end: { endState: 'mixed' } })
    expect(bad.failures.map(({ code }) => code)).toContain('REPLICA_CRASHED')
    expect(await (await fetch(app.url)).json()).toMatchObject({ version: 'v1' })
    await stage.run(app, 'stop')
  })

  it('never listens: must be given up at health.startup, with no traffic before (F9)', async () => {
    const app = await stage.app('slow')
    await app.commit('good')
    await stage.deploy(app)
    await app.commit('good', { env: { SLOW_MS: 60_000 }, health: { readiness: { path: '/healthz' }, startup: 2 } })
    const load = new OpenLoop(app.url, 50)
    const bad = await stage.deploy(app)
    expect(await load.stop()).toEqual([])
    expect(bad, renderEvents(bad.events)).toMatchObject({ exit: 7, end: { endState: 'all-old' } })
    expect(Object.keys(load.byRevision)).toEqual(['1'])
  })

  it('gets no further for progressDeadlineSeconds: must be rolled back by that name, with no traffic before', async () => {
    const app = await stage.app('stuck')
    await app.commit('good')
    await stage.deploy(app)
    await app.commit('good', { env: { SLOW_MS: 60_000 }, rollout: { progressDeadlineSeconds: 2 } })
    const load = new OpenLoop(app.url, 50)
    const bad = await stage.deploy(app)
    expect(await load.stop()).toEqual([])
    const story = renderEvents(bad.events)
    expect(bad, story).toMatchObject({ exit: 7, end: { endState: 'all-old' } })
    expect(bad.failures[0], story).toMatchObject({ code: 'ROLLOUT_DEADLINE_EXCEEDED', detail: { seconds: 2 } })
    expect(bad.failures[0]?.message).toMatch(/nothing got further for 2 s on the way to revision 2/)
    expect(Object.keys(load.byRevision)).toEqual(['1'])
    expect((await stage.status(app)).replicas.map(({ revision }) => revision)).toEqual([1, 1])
  })

  it('says 200 and then 500 before the rollout is complete: must fail it (F7)', async () => {
    const { bad, lost } = await deployBad('lies', { replicas: 2, rollout: { minReadySeconds: 6 } })
    expect(bad, renderEvents(bad.events)).toMatchObject({ exit: 7, end: { endState: 'all-old' } })
    expect(bad.failures[0]?.code).toBe('REPLICA_BECAME_UNREADY')
    expect(lost).toEqual([])
  })

  it('ends after it was ready, before the rollout is complete: must fail it (F8)', async () => {
    const { bad, lost } = await deployBad('exits-after-ready', {
      replicas: 2,
      rollout: { minReadySeconds: 6, startRetries: 0 },
    })
    expect(bad, renderEvents(bad.events)).toMatchObject({ exit: 7, end: { endState: 'all-old' } })
    expect(bad.failures[0]?.code).toBe('REPLICA_CRASHED')
    // A process that dies with requests under way loses those; a new one never reaches a dead target for long.
    expect(lost.length).toBeLessThanOrEqual(3)
  })

  it('first deploy: must be removed again, with its addresses, and be named all-old', async () => {
    const app = await stage.app('first')
    await app.commit('crashes')
    const bad = await stage.deploy(app)
    expect(bad, renderEvents(bad.events)).toMatchObject({ exit: 7, end: { endState: 'all-old' } })
    expect(await stage.status(app)).toMatchObject({ revision: null, replicas: [] })
    await expect(fetch(app.url)).rejects.toThrow()
    await app.commit('good')
    expect(await stage.deploy(app)).toMatchObject({ exit: 0, end: { endState: 'all-new' } })
  })
})
