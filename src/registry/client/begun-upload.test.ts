import { Readable } from 'node:stream'
import { afterEach, expect, it } from 'vitest'
import { aBlob, never } from '../testing.ts'
import { cleanUp, clientOf, play } from './testing-play.ts'

afterEach(cleanUp)

const blobs = [
  ['small', aBlob(1000)],
  ['large', aBlob(9_000_000)],
] as const

/** A registry that takes everything, but forgets so many uploads before anything is sent to them. */
async function aForgetful(forgets = 0) {
  let begun = 0
  const answers = { HEAD: 404, POST: 202, PATCH: 202, PUT: 201, DELETE: 204 } as const
  const played = await play((request, response) => {
    const method = request.method as keyof typeof answers
    if (method === 'POST') begun++
    const status = method !== 'POST' && begun <= forgets ? 404 : answers[method]
    const headers = { Location: `/v2/shop/blobs/uploads/${begun}` }
    request.resume().on('end', () => response.writeHead(status, headers).end())
  })
  const count = (method: string) => played.seen.filter((request) => request.method === method).length
  return { begin: () => clientOf(played.host).beginBlob?.('shop', never), count }
}

it.each(blobs)('a %s blob goes into the upload that was begun before its bytes were known', async (_, blob) => {
  const registry = await aForgetful()
  const begun = registry.begin()
  await expect.poll(() => registry.count('POST'), { timeout: 20_000 }).toBe(1)
  await begun?.write({ ...blob, unasked: true }, () => Readable.from([blob.bytes]), never)
  await begun?.discard()
  expect([registry.count('HEAD'), registry.count('POST'), registry.count('DELETE')]).toEqual([0, 1, 0])
})

it.each(blobs)('a %s blob goes into a new upload where the registry forgot the first', async (_, blob) => {
  const registry = await aForgetful(1)
  const sent = await registry.begin()?.write({ ...blob, unasked: true }, () => Readable.from([blob.bytes]), never)
  expect([sent, registry.count('POST')]).toEqual([blob.size, 2])
})

it.each(blobs)('a %s blob is refused when new uploads are forgotten as well', async (_, blob) => {
  const registry = await aForgetful(9)
  const writing = registry.begin()?.write({ ...blob, unasked: true }, () => Readable.from([blob.bytes]), never)
  await expect(writing).rejects.toMatchObject({ code: 'REGISTRY_REFUSED' })
  expect(registry.count('POST')).toBe(2)
})

it('what nobody used is taken back', async () => {
  const registry = await aForgetful()
  const begun = registry.begin()
  await begun?.discard()
  await begun?.discard()
  expect([registry.count('POST'), registry.count('DELETE')]).toEqual([1, 1])
})
