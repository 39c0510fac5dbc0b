import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OpenLoop } from '../harness/open-loop.ts'
import { renderEvents } from '../harness/operation.ts'
import { Stage } from '../harness/stage.ts'
import type { TestApp } from '../harness/test-app.ts'

describe('a server that is upgraded or restarted (F17)', { timeout: 120_000 }, () => {
  let stage: Stage
  let app: TestApp
  beforeAll(async () => {
    stage = await Stage.open()
    app = await stage.app('upgrade')
    await app.commit('good')
    expect(await stage.deploy(app)).toMatchObject({ exit: 0 })
  }, 120_000)
  afterAll(async () => {
    expect(await stage.close()).toEqual([])
  })

  it('in the middle of a rollout: must go on with it, and no request may notice', async () => {
    const load = new OpenLoop(app.url, 50)
    await app.commit('good')
    let restarting: Promise<void> | undefined
    const ended = await stage.deploy(app, (event) => {
      if (restarting !== undefined || event.kind !== 'step' || event.step.kind !== 'start') return
      restarting = stage.server.kill('SIGTERM').then(() => stage.server.start())
      restarting.catch(() => {})
    })
    await restarting
    const story = renderEvents(ended.events)
    expect(ended, story).toMatchObject({ exit: 0, end: { endState: 'all-new' }, receipt: { requests: { lost: 0 } } })
    expect(await load.stop(), story).toEqual([])
  })

  it('with an operation that is still building: must tell a client that comes back INTERRUPTED and exit 9', async () => {
    const { revision } = await stage.status(app)
    await app.commit('good')
    let restarting: Promise<void> | undefined
    const ended = await stage.deploy(app, (event) => {
      if (restarting !== undefined || event.kind !== 'station') return
      restarting = stage.server.kill().then(() => stage.server.start())
      restarting.catch(() => {})
    })
    await restarting
    expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 9, end: { revision: null } })
    expect(ended.failures.map(({ code }) => code)).toEqual(['INTERRUPTED'])
    expect(await stage.status(app)).toMatchObject({ revision, rollout: null })
  })

  it('to one of an older schema: must refuse to start, touch nothing, and leave what serves serving', async () => {
    await stage.server.kill('SIGTERM')
    const path = join(stage.server.folder, 'memory.db')
    change(path, "insert into kysely_migration values ('0099', '2030-01-01')")
    const before = readFileSync(path)
    const load = new OpenLoop(app.url, 50)
    await expect(stage.server.start()).rejects.toThrow(/MEMORY_NEWER|newer/)
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(await load.stop()).toEqual([])
    change(path, "delete from kysely_migration where name = '0099'")
    await stage.server.start()
    expect(await stage.status(app)).toMatchObject({ rollout: null })
  })
})

function change(path: string, statement: string): void {
  const database = new DatabaseSync(path)
  database.exec(statement)
  database.exec('pragma wal_checkpoint(truncate)')
  database.close()
}
