import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { StillClock } from '../access/testing.ts'
import { streamInflow } from '../body/inflow.ts'
import { aFolder } from '../testing.ts'
import { StoreFolder } from './store-folder.ts'
import { UPLOAD_LIMITS, UploadTable } from './upload-table.ts'

async function aTable() {
  const folder = await aFolder()
  const clock = new StillClock()
  const table = new UploadTable(await StoreFolder.open(folder.path), clock)
  const begin = (owner: string | null) => table.begin('shop', 'sha256', owner)
  return {
    table,
    clock,
    begin,
    fill: async (owner: string | null, count: number) => {
      for (let n = 0; n < count; n++) expect(await begin(owner)).not.toBeNull()
    },
    async [Symbol.asyncDispose]() {
      await table.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

it('gives each account a share of the uploads that may be open, so that none keeps the others out', async () => {
  await using uploads = await aTable()
  await uploads.fill('ci', UPLOAD_LIMITS.each)
  expect(await uploads.begin('ci')).toBeNull()
  await uploads.fill('kim', 3)
  await uploads.fill(null, UPLOAD_LIMITS.open - UPLOAD_LIMITS.each - 3)
  expect(await uploads.begin('lee')).toBeNull()
})

it('ends the upload that was idle longest where a share is used up, and none that was used within a minute', async () => {
  await using uploads = await aTable()
  const first = await uploads.begin('ci')
  const second = await uploads.begin('ci')
  await uploads.fill('ci', UPLOAD_LIMITS.each - 2)
  uploads.clock.move(UPLOAD_LIMITS.crowdedMs - 1)
  await uploads.table.get('shop', first ?? '')?.append(streamInflow(Readable.from([Buffer.from('x')])), 10)
  expect(await uploads.begin('ci')).toBeNull()
  uploads.clock.move(2)
  expect(await uploads.begin('ci')).not.toBeNull()
  expect(uploads.table.get('shop', second ?? '')).toBeNull()
  expect(uploads.table.get('shop', first ?? '')).not.toBeNull()
})
