import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endFolder } from '../../../src/main/end-folder.ts'
import type { Event } from '../../../src/model/event.ts'
import { freePort } from '../harness/free-ports.ts'
import { processesOf } from '../harness/leftovers.ts'
import { renderEvents } from '../harness/operation.ts'
import { Stage } from '../harness/stage.ts'
import { TestApp } from '../harness/test-app.ts'
import { LoopDisk, whyNoLoopDisk } from './loop-disk.ts'

const MEGABYTES = 1500
/** A file in memory is gone with the power. */
const SETTINGS = { secrets: [{ name: 'KEY', file: '/run/key' }], env: { SECRET_FILE: '/run/key' } }

describe.skipIf(whyNoLoopDisk !== null)(
  `a power cut (F14${whyNoLoopDisk === null ? '' : `; left out: ${whyNoLoopDisk}`})`,
  { timeout: 120_000 },
  () => {
    let disk: LoopDisk
    let stage: Stage
    let app: TestApp
    beforeAll(async () => {
      disk = new LoopDisk(MEGABYTES)
      stage = await Stage.open()
      app = await TestApp.create(join(disk.elsewhere, 'git'), 'power', await freePort())
      await stage.setSecret(app, 'KEY', 'of gold')
      await app.commit('good', SETTINGS)
      expect(await stage.deploy(app)).toMatchObject({ exit: 0 })
    }, 120_000)
    afterAll(async () => {
      expect(await stage.close()).toEqual([])
      await disk.close()
    })

    type Point = readonly [name: string, isIt: (event: Event) => boolean]
    it.each<Point>([
      [
        'in the middle of a rollout: it must be finished',
        (event) => event.kind === 'step' && event.step.kind === 'admit',
      ],
      [
        'when its end was told: it must be there, with all that it and the one before need',
        ({ kind }) => kind === 'end',
      ],
    ])('%s', async (_name, isIt) => {
      const { revision: before } = await stage.status(app)
      const version = await app.commit('good', SETTINGS)
      let isKept = false
      const ended = await stage.deploy(app, (event) => {
        if (isKept || !isIt(event)) return
        isKept = true
        disk.keep(processesOf(stage.server.folder).map(({ pid }) => pid))
      })
      expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 0 })
      await cutPower(stage, disk)
      await stage.server.start()
      const { revision } = ended.end
      const status = await stage.until(
        app,
        'the new release serves',
        ({ rollout, replicas }) => rollout === null && replicas.length === 2 && replicas.every(({ ready }) => ready),
        60_000,
      )
      expect([status.revision, ...status.replicas.map((replica) => replica.revision)]).toEqual([
        revision,
        revision,
        revision,
      ])
      expect((await stage.history(app))[0]).toMatchObject({ to: revision, endState: 'all-new' })
      expect(await (await fetch(app.url)).json()).toMatchObject({ version })
      expect(await (await fetch(`${app.url}/secret`)).json()).toMatchObject({ file: 'of gold' })
      expect(tornBlobs(stage)).toEqual([])
      expect(await stage.run(app, 'rollback', { revision: before })).toMatchObject({ exit: 0 })
    })
  },
)

describe.skipIf(whyNoLoopDisk !== null)('the disk of these tests', () => {
  it('loses what was not synced, and nothing else', async () => {
    const disk = new LoopDisk(64)
    const size = (name: string) => statSync(join(disk.folder, name), { throwIfNoEntry: false })?.size ?? 0
    try {
      // The kernel may write a file by itself: some of many it has not.
      const names = Array.from({ length: 20 }, (_, at) => `unsynced-${at}`)
      writeFileSync(join(disk.folder, 'synced'), 'x', { flush: true })
      for (const name of names) writeFileSync(join(disk.folder, name), 'x')
      disk.keep([])
      expect(names.map(size)).not.toContain(0)
      await disk.cut()
      expect(size('synced')).toBe(1)
      expect(names.map(size)).toContain(0)
    } finally {
      await disk.close()
    }
  })
})

/** Everything ends at once, and the disk has what was on it when it was kept. */
async function cutPower(stage: Stage, disk: LoopDisk): Promise<void> {
  await stage.server.kill()
  await endFolder(stage.server.folder, 0, AbortSignal.timeout(30_000))
  const id = readFileSync(join(stage.server.folder, 'id'), 'utf8').trim()
  rmSync(`/dev/shm/naru-${id}`, { recursive: true, force: true })
  await disk.cut()
}

/** Blobs in the store that are not what their name says: cut, or empty. */
function tornBlobs({ server: { folder } }: Stage): string[] {
  return readdirSync(join(folder, 'registry', 'blobs'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^[0-9a-f]{64}$/.test(entry.name))
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => !path.endsWith(createHash('sha256').update(readFileSync(path)).digest('hex')))
}
