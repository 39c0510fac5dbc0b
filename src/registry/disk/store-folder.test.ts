import { existsSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { aFolder } from '../testing.ts'
import { StoreFolder } from './store-folder.ts'

const HOUR_S = 3600

/** Lets other work go on so many times. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate)
}

it('never takes away what is used at the same moment: it is told to be there, or it is gone', async () => {
  await using home = await aFolder()
  const folder = await StoreFolder.open(home.path)
  const outcomes = new Set<boolean>()
  for (let round = 0; round < 400; round++) {
    const path = join(home.path, `file-${round}`)
    writeFileSync(path, 'content')
    const then = Date.now() / 1000 - HOUR_S
    utimesSync(path, then, then)
    const removing = turns(round % 5).then(() => folder.removeUnused(path, Date.now() - 60_000))
    const using = turns((round >> 2) % 5).then(() => folder.touch(path, Date.now()))
    const [removed, used] = await Promise.all([removing, using])
    expect([removed === null, used !== null]).toEqual([used !== null, existsSync(path)])
    outcomes.add(used !== null)
  }
  expect(outcomes.size).toBe(2)
  await folder.close()
})

it('never takes away what is put in the place of something old at the same moment', async () => {
  await using home = await aFolder()
  const folder = await StoreFolder.open(home.path)
  for (let round = 0; round < 100; round++) {
    const path = join(home.path, 'blobs', `file-${round}`)
    await folder.put(path, 'old')
    const then = Date.now() / 1000 - HOUR_S
    utimesSync(path, then, then)
    const removing = turns(round % 10).then(() => folder.removeUnused(path, Date.now() - 60_000))
    await Promise.all([removing, folder.put(path, 'new')])
    expect(existsSync(path)).toBe(true)
  }
  await folder.close()
})
