import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataPaths } from '../../../src/main/data-folder.ts'
import { DeployError, type FailureReport } from '../../../src/model/failure.ts'
import { OpenLoop } from '../harness/open-loop.ts'
import { renderEvents } from '../harness/operation.ts'
import { Stage } from '../harness/stage.ts'
import type { TestApp } from '../harness/test-app.ts'
import { SmallDisk } from './small-disk.ts'

const isRoot = process.getuid?.() === 0
/** Beyond what a stage with its base image and one release takes. */
const MEGABYTES = 900
const FILE_BYTES = 3_000_000

describe.skipIf(!isRoot)('a disk that is full (F6; left out without root)', { timeout: 180_000 }, () => {
  let disk: SmallDisk
  let stage: Stage
  let app: TestApp
  beforeAll(async () => {
    disk = new SmallDisk(MEGABYTES)
    stage = await Stage.open()
    app = await stage.app('full')
    await app.commit('chatty')
    expect(await stage.deploy(app)).toMatchObject({ exit: 0 })
  }, 120_000)
  afterAll(async () => {
    disk.empty()
    expect(await stage.close()).toEqual([])
    disk.close()
  })

  // Little enough to fail in memory, in the work tree, in the layer, and before it is unpacked.
  it.each([0, 64_000, 4_500_000, 8_000_000])(
    'with %d bytes left, under replicas that log: must say so, keep what serves serving, and let the same command through once there is room',
    async (leave) => {
      const { revision } = await stage.status(app)
      await app.write('server.mjs', serverWith(FILE_BYTES))
      await app.commit('chatty')
      const load = new OpenLoop(app.url, 50)
      disk.fill(leave)
      const failure = await failureOf(stage, app)
      disk.empty()
      expect(failure !== null || leave > 1_000_000, 'the disk was not full').toBe(true)
      if (failure !== null) {
        expect(['DISK_FULL', 'MEMORY_UNUSABLE'], failure.message).toContain(failure.code)
        expect(failure.hint).toMatch(/space|disk/i)
        expect(await stage.until(app, 'nothing is under way', ({ rollout }) => rollout === null)).toMatchObject({
          revision,
        })
        expect(halfWritten(stage)).toEqual([])
      }
      const again = await stage.deploy(app)
      expect(again, renderEvents(again.events)).toMatchObject({ exit: 0, end: { endState: 'all-new' } })
      expect(await load.stop(), renderEvents(again.events)).toEqual([])
    },
  )
})

/** How a deploy failed; null: there was room enough. */
async function failureOf(stage: Stage, app: TestApp): Promise<FailureReport | null> {
  try {
    const { failures } = await stage.deploy(app)
    return failures[0] ?? null
  } catch (failed) {
    if (failed instanceof DeployError) return { ...failed, message: failed.message }
    throw failed
  }
}

/** What only a write in progress would explain. */
function halfWritten({ server: { folder } }: Stage): string[] {
  const uploads = readdirSync(join(folder, 'registry', 'uploads')).flatMap((owner) =>
    readdirSync(join(folder, 'registry', 'uploads', owner)),
  )
  // Made when something is laid out or read out.
  const parts = [join(folder, 'work'), join(dataPaths(folder).buildCache, 'tmp')]
  const trees = parts.flatMap((part) => (existsSync(part) ? readdirSync(part) : []))
  const temporary = readdirSync(folder).filter((name) => name.endsWith('.tmp'))
  return [...uploads, ...trees, ...temporary]
}

/** The program with something after it that cannot be compressed. */
function serverWith(bytes: number): string {
  const program = process
    .getBuiltinModule('node:fs')
    .readFileSync(join(import.meta.dirname, '..', 'harness', 'app', 'server.mjs'), 'utf8')
  return `${program}\n// ${randomBytes(bytes).toString('base64')}\n`
}
