import { readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Clock } from '../../lib/clock.ts'
import { MEDIA_TYPES } from '../../model/descriptor.ts'
import { systemClock } from '../../os/system-clock.ts'
import { aBlob, aFolder, anImage, never, putBlob } from '../testing.ts'
import { DiskStore } from './disk-store.ts'

const HOUR_MS = 3_600_000

/** A store whose clock can be put forward; times of files follow it only where they are touched. */
async function aStoreInTime() {
  const folder = await aFolder()
  let ahead = 0
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + ahead }
  const store = await DiskStore.open(folder.path, clock)
  return {
    store,
    root: folder.path,
    later: (ms: number) => {
      ahead += ms
    },
    async [Symbol.asyncDispose]() {
      await store.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

const filesIn = async (root: string) =>
  (await readdir(root, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

it('spares small layers of a push whose large layer takes hours, for a day at most', async () => {
  await using time = await aStoreInTime()
  const { store } = time
  await store.uploads.begin('shop', 'sha256')
  const small = await putBlob(store, 'shop', aBlob().bytes)
  time.later(5 * HOUR_MS)
  expect(await store.collectGarbage({ keep: new Set() }, never)).toMatchObject({ blobs: 0 })
  time.later(21 * HOUR_MS)
  expect(await store.collectGarbage({ keep: new Set() }, never)).toMatchObject({ blobs: 1 })
  expect(await store.statBlob('shop', small.digest, never)).toBeNull()
})

it('keeps the layers of a manifest that was found damaged and set aside before, until it is put again or deleted', async () => {
  await using time = await aStoreInTime()
  const { store, root } = time
  const { descriptor, layers, bytes } = await anImage(store, 'shop', { tags: ['v1'] })
  const hex = descriptor.digest.slice(7)
  await writeFile(join(root, 'blobs', 'sha256', hex.slice(0, 2), hex), 'damaged')
  await expect(store.readManifest('shop', 'v1', never)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
  time.later(2 * HOUR_MS)
  for (let n = 0; n < 2; n++) await store.collectGarbage({ keep: new Set() }, never)
  for (const { digest, size } of layers) expect(await store.statBlob('shop', digest, never)).toBe(size)
  await store.writeManifest('shop', { mediaType: descriptor.mediaType, bytes }, ['v1'], never)
  await store.deleteManifest('shop', descriptor.digest, never)
  time.later(2 * HOUR_MS)
  expect(await store.collectGarbage({ keep: new Set() }, never)).toMatchObject({ manifests: 0, blobs: 4 })
})

it('keeps all of a repository of which a tag is damaged', async () => {
  await using time = await aStoreInTime()
  const { store, root } = time
  const { layers } = await anImage(store, 'shop', { tags: ['v1'] })
  for (const content of ['', 'sha256:nonsense', aBlob().digest]) {
    await writeFile(join(root, 'repositories/shop/_tags/v1'), content)
    time.later(2 * HOUR_MS)
    const spared = [{ repository: 'shop', broken: 'the tag v1' }]
    expect(await store.collectGarbage({ keep: new Set() }, never)).toEqual({ manifests: 0, blobs: 0, bytes: 0, spared })
  }
  for (const { digest, size } of layers) expect(await store.statBlob('shop', digest, never)).toBe(size)
})

it('follows indexes of indexes and what refers to any of them, and takes all of it together', async () => {
  await using time = await aStoreInTime()
  const { store, root } = time
  const { descriptor } = await anImage(store, 'shop')
  const index = (mediaType: string, manifests: readonly object[]) => ({
    mediaType,
    bytes: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests })),
  })
  const plain = ({ mediaType, digest, size }: { mediaType: string; digest: string; size: number }) => ({
    mediaType,
    digest,
    size,
  })
  const inner = await store.writeManifest('shop', index(MEDIA_TYPES.imageIndex, [plain(descriptor)]), [], never)
  await store.writeManifest('shop', index(MEDIA_TYPES.imageIndex, [plain(inner)]), ['v1'], never)
  const empty = await putBlob(store, 'shop', Buffer.from('{}'))
  const signature = JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.imageManifest,
    config: { mediaType: 'application/vnd.oci.empty.v1+json', ...empty },
    layers: [],
    subject: plain(descriptor),
  })
  await store.writeManifest('shop', { mediaType: MEDIA_TYPES.imageManifest, bytes: Buffer.from(signature) }, [], never)
  time.later(2 * HOUR_MS)
  const before = (await filesIn(root)).length
  expect(await store.collectGarbage({ keep: new Set() }, never)).toMatchObject({ manifests: 0, blobs: 0, bytes: 0 })
  expect((await filesIn(root)).length).toBe(before)
  await store.deleteManifest('shop', 'v1', never)
  expect(await store.collectGarbage({ keep: new Set() }, never)).toMatchObject({ manifests: 4, blobs: 8 })
  expect(await filesIn(root)).toEqual([])
  expect(await store.repositories()).toEqual([])
})

it('takes the mark of a referrer that a killed process left without its manifest', async () => {
  await using time = await aStoreInTime()
  const { store, root } = time
  const { descriptor } = await anImage(store, 'shop', { tags: ['v1'] })
  const subject = { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size }
  const { manifest } = await anImage(store, 'shop')
  const bytes = Buffer.from(JSON.stringify({ ...manifest, subject }))
  const referrer = await store.writeManifest('shop', { mediaType: manifest.mediaType, bytes }, [], never)
  await rm(join(root, 'repositories/shop/_manifests/sha256', referrer.digest.slice(7)))
  time.later(2 * HOUR_MS)
  await store.collectGarbage({ keep: new Set() }, never)
  expect((await filesIn(root)).filter((path) => path.includes('_referrers'))).toEqual([])
  expect(await store.readManifest('shop', 'v1', never)).not.toBeNull()
})

it('never takes a blob in the moment in which it is mounted: it is there, or it has to be sent', async () => {
  await using time = await aStoreInTime()
  const { store, root } = time
  for (let round = 0; round < 60; round++) {
    const { digest } = await putBlob(store, 'shop', aBlob().bytes)
    await store.deleteBlob('shop', digest, never)
    const then = (Date.now() - 2 * HOUR_MS) / 1000
    for (const path of await filesIn(join(root, 'blobs'))) await utimes(path, then, then)
    const collecting = store.collectGarbage({ keep: new Set() }, never)
    for (let turn = 0; turn < round % 30; turn++) await new Promise(setImmediate)
    const mounted = await store.mountAnyBlob('other', digest, never)
    await collecting
    expect((await store.statBlob('other', digest, never)) !== null).toBe(mounted)
    await store.deleteBlob('other', digest, never)
  }
}, 120_000)

it('removes repositories in which nothing is left, while others push into them', async () => {
  await using time = await aStoreInTime()
  const { store } = time
  const pushing = async (worker: number) => {
    for (let n = 0; n < 15; n++) {
      const { descriptor } = await anImage(store, 'deep/in/here', { tags: [`w${worker}`], layers: [aBlob().bytes] })
      await store.deleteManifest('deep/in/here', descriptor.digest, never)
    }
  }
  let raging = true
  const collecting = (async () => {
    while (raging) await store.collectGarbage({ keep: new Set(), graceMs: HOUR_MS }, never)
  })()
  await Promise.all([pushing(1), pushing(2)])
  raging = false
  await collecting
  time.later(2 * HOUR_MS)
  await store.collectGarbage({ keep: new Set() }, never)
  expect(await store.repositories()).toEqual([])
}, 120_000)

it('lets a tag go by its age only if nobody set or used it since its age was told', async () => {
  await using time = await aStoreInTime()
  const { store } = time
  const [first, second] = [
    await anImage(store, 'shop', { tags: ['gone', 'used', 'set'] }),
    await anImage(store, 'shop'),
  ]
  const ages = new Map((await store.tagAges('shop')).map(({ tag, setAtMs }) => [tag, setAtMs]))
  time.later(2 * HOUR_MS)
  await store.useTag('shop', 'used', first.descriptor.digest)
  await store.useTag('shop', 'set', second.descriptor.digest)
  const deleted = [...ages].map(([tag, setAtMs]) => store.deleteUnchangedTag('shop', tag, setAtMs))
  expect(await Promise.all(deleted)).toEqual([true, false, false])
  expect(await store.tags('shop', never)).toEqual(['set', 'used'])
  expect((await store.readManifest('shop', 'set', never))?.descriptor.digest).toBe(second.descriptor.digest)
})

it('keeps what was set aside for a week from then on, however old it is', async () => {
  await using time = await aStoreInTime()
  const { store, root } = time
  const { digest } = await putBlob(store, 'shop', aBlob().bytes)
  const path = join(root, 'blobs/sha256', digest.slice(7, 9), digest.slice(7))
  await writeFile(path, 'damaged')
  time.later(30 * 24 * HOUR_MS)
  await expect(store.checkBlob(digest, never)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
  const aside = async () => {
    await store.collectGarbage({ keep: new Set() }, never)
    return (await readdir(join(root, 'quarantine'))).length
  }
  time.later(6 * 24 * HOUR_MS)
  expect(await aside()).toBe(1)
  time.later(2 * 24 * HOUR_MS)
  expect(await aside()).toBe(0)
})
