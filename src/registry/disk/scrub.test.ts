import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { systemClock } from '../../os/system-clock.ts'
import { registryClient } from '../client/registry-client.ts'
import { otherPlaces } from '../keeping/other-places.ts'
import { aBlob, aDiskStore, aRegistry, anImage, bytesOf, never, putBlob } from '../testing.ts'
import type { ScrubTools } from './scrub.ts'

type Tools = Parameters<Awaited<ReturnType<typeof aDiskStore>>['store']['scrub']>[0]
const tools = (more: Partial<Tools> = {}): Tools => ({
  bytesPerSecond: null,
  elsewhere: async () => null,
  progress: () => {},
  ...more,
})

const pathOf = (root: string, digest: string) => join(root, 'blobs', 'sha256', digest.slice(7, 9), digest.slice(7))

async function flip(root: string, digest: string): Promise<void> {
  const bytes = await readFile(pathOf(root, digest))
  bytes[10] = (bytes[10] ?? 0) ^ 4
  await writeFile(pathOf(root, digest), bytes)
}

it('F15: finds every flipped bit, sets it aside, and leaves alone what is right', async () => {
  await using disk = await aDiskStore()
  const { store, root } = disk
  const { layers, descriptor } = await anImage(store, 'shop', { tags: ['v1'] })
  const garbage = await putBlob(store, 'shop', aBlob().bytes)
  await store.deleteBlob('shop', garbage.digest, never)
  const [layer, other] = layers
  for (const digest of [layer?.digest ?? '', descriptor.digest, garbage.digest]) await flip(root, digest)
  const { blobs, bytes, damaged } = await store.scrub(tools(), never)
  expect(blobs).toBe(5)
  expect(bytes).toBeGreaterThan(0)
  expect(damaged).toHaveLength(3)
  expect(damaged).toContainEqual({ digest: layer?.digest, repositories: ['shop'], fetchedFrom: null })
  expect(damaged).toContainEqual({ digest: descriptor.digest, repositories: ['shop'], fetchedFrom: null })
  expect(damaged).toContainEqual({ digest: garbage.digest, repositories: [], fetchedFrom: null })
  expect(await readdir(join(root, 'quarantine'))).toHaveLength(3)
  expect(await store.statBlob('shop', layer?.digest ?? '', never)).toBeNull()
  expect(await store.statBlob('shop', other?.digest ?? '', never)).toBe(other?.size)
  // What was set aside before is still missing where a repository has it.
  expect((await store.scrub(tools(), never)).damaged).toHaveLength(2)
})

it('F15: fetches damaged blobs and manifests again from another registry, and lost ones as well', async () => {
  await using other = await aRegistry()
  await using disk = await aDiskStore()
  const { store, root } = disk
  const layer = aBlob().bytes
  const theirs = await anImage(other.store, 'shop', { layers: [layer], tags: ['v1'] })
  const { layers, descriptor, configBlob } = await anImage(store, 'shop', { layers: [layer], tags: ['v1'] })
  expect(theirs.descriptor).toEqual(descriptor)
  await flip(root, layers[0]?.digest ?? '')
  await flip(root, descriptor.digest)
  await rm(pathOf(root, configBlob.digest))
  const open = async (host: string) => registryClient({ host, clock: systemClock, tries: 1 })
  const { damaged } = await store.scrub(tools({ elsewhere: otherPlaces(open, other.host) }), never)
  const fetchedFrom = `${other.host}/shop`
  expect(damaged).toHaveLength(3)
  for (const { repositories, fetchedFrom: from } of damaged)
    expect([repositories, from]).toEqual([['shop'], fetchedFrom])
  expect((await store.readManifest('shop', 'v1', never))?.descriptor.digest).toBe(descriptor.digest)
  for (const { digest, size } of [...layers, configBlob])
    expect(await bytesOf(await store.readBlob('shop', digest, never))).toHaveLength(size)
  expect((await store.scrub(tools(), never)).damaged).toEqual([])
})

it('takes nothing from a place that has other bytes, breaks off or does not answer', async () => {
  await using disk = await aDiskStore()
  const { store, root } = disk
  const { digest } = await putBlob(store, 'shop', aBlob().bytes)
  await flip(root, digest)
  const places: ScrubTools['elsewhere'][] = [
    async () => ({ place: 'wrong', bytes: Readable.from([Buffer.from('other bytes')]) }),
    async () => ({
      place: 'torn',
      bytes: Readable.from(
        (async function* () {
          yield Buffer.from('some')
          throw new Error('torn')
        })(),
      ),
    }),
    otherPlaces(async (host) => registryClient({ host, clock: systemClock, tries: 1 }), '127.0.0.1:1'),
  ]
  for (const elsewhere of places) {
    const { damaged } = await store.scrub(tools({ elsewhere }), never)
    expect(damaged).toEqual([{ digest, repositories: ['shop'], fetchedFrom: null }])
  }
  const uploads = await readdir(join(root, 'uploads'), { recursive: true, withFileTypes: true })
  expect(uploads.filter((entry) => entry.isFile())).toEqual([])
})

it('reads no faster than it may, and ends when it is told to', async () => {
  await using disk = await aDiskStore()
  const { store } = disk
  for (let n = 0; n < 4; n++) await putBlob(store, 'shop', aBlob(100_000).bytes)
  const began = performance.now()
  await store.scrub(tools({ bytesPerSecond: 800_000 }), never)
  expect(performance.now() - began).toBeGreaterThan(400)
  const ending = new AbortController()
  const scrubbing = store.scrub(tools({ bytesPerSecond: 1000 }), ending.signal)
  ending.abort(new Error('enough'))
  await expect(scrubbing).rejects.toThrow('enough')
})
