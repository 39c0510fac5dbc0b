import { readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { aBlob, aDiskStore, anImage, never, putBlob } from '../testing.ts'

const DAY_MS = 86_400_000

/** A store whose files can be made a day older. */
async function anAgingStore() {
  const disk = await aDiskStore()
  const age = async () => {
    const then = (Date.now() - DAY_MS) / 1000
    for (const entry of await readdir(disk.root, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) await utimes(join(entry.parentPath, entry.name), then, then)
    }
  }
  return { ...disk, age }
}

const blobsIn = async (root: string) =>
  (await readdir(join(root, 'blobs'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    .length

it('deletes what neither a tag nor a kept release leads to, and nothing else', async () => {
  await using disk = await anAgingStore()
  const { store, root } = disk
  const shared = Buffer.alloc(5000, 'shared')
  const tagged = await anImage(store, 'shop', { tags: ['r2'], layers: [shared, aBlob().bytes] })
  const kept = await anImage(store, 'shop', { layers: [shared, aBlob().bytes] })
  const old = await anImage(store, 'shop', { layers: [shared, aBlob().bytes] })
  const elsewhere = await anImage(store, 'blog', { tags: ['v1'], layers: [shared] })
  await putBlob(store, 'shop', aBlob().bytes)
  const before = await blobsIn(root)
  await disk.age()
  const garbage = await store.collectGarbage({ keep: new Set([kept.descriptor.digest]) }, never)
  expect(garbage).toMatchObject({ manifests: 1, blobs: 4 })
  expect(garbage.bytes).toBeGreaterThan(0)
  expect(await blobsIn(root)).toBe(before - 4)
  expect(await store.readManifest('shop', old.descriptor.digest, never)).toBeNull()
  for (const [repository, image] of [
    ['shop', tagged],
    ['shop', kept],
    ['blog', elsewhere],
  ] as const) {
    expect(await store.readManifest(repository, image.descriptor.digest, never)).not.toBeNull()
    for (const { digest, size } of [...image.layers, image.configBlob]) {
      expect(await store.statBlob(repository, digest, never)).toBe(size)
    }
  }
  expect(await store.collectGarbage({ keep: new Set([kept.descriptor.digest]) }, never)).toEqual({
    manifests: 0,
    blobs: 0,
    bytes: 0,
    spared: [],
  })
})

it('spares what was pushed, asked for or mounted a short while ago', async () => {
  await using disk = await anAgingStore()
  const { store } = disk
  const [asked, mounted, forgotten] = [aBlob(), aBlob(), aBlob()]
  for (const { bytes } of [asked, mounted, forgotten]) await putBlob(store, 'shop', bytes)
  await disk.age()
  await store.statBlob('shop', asked.digest, never)
  await store.mountBlob('other', mounted.digest, 'shop', never)
  const fresh = await anImage(store, 'shop')
  await store.collectGarbage({ keep: new Set(), graceMs: DAY_MS / 2 }, never)
  expect(await store.statBlob('shop', asked.digest, never)).toBe(asked.size)
  expect(await store.statBlob('other', mounted.digest, never)).toBe(mounted.size)
  expect(await store.statBlob('shop', forgotten.digest, never)).toBeNull()
  expect(await store.readManifest('shop', fresh.descriptor.digest, never)).not.toBeNull()
})

it('keeps all of a repository in which a manifest is damaged', async () => {
  await using disk = await anAgingStore()
  const { store, root } = disk
  const { descriptor, layers } = await anImage(store, 'shop', { tags: ['v1'] })
  const hex = descriptor.digest.slice(7)
  await writeFile(join(root, 'blobs', 'sha256', hex.slice(0, 2), hex), 'damaged')
  await disk.age()
  const { spared } = await store.collectGarbage({ keep: new Set() }, never)
  expect(spared).toEqual([{ repository: 'shop', broken: `the manifest ${descriptor.digest}` }])
  for (const { digest, size } of layers) expect(await store.statBlob('shop', digest, never)).toBe(size)
})

it('takes nothing away from pushes that go on beside it', async () => {
  await using disk = await aDiskStore()
  const { store } = disk
  const pushes = Array.from({ length: 20 }, (_, n) => anImage(store, `shop/n${n % 3}`, { tags: [`v${n}`] }))
  const collecting = (async () => {
    for (let n = 0; n < 10; n++) await store.collectGarbage({ keep: new Set(), graceMs: 2000 }, never)
  })()
  const images = await Promise.all(pushes)
  await collecting
  for (const [n, { descriptor, layers }] of images.entries()) {
    expect((await store.readManifest(`shop/n${n % 3}`, `v${n}`, never))?.descriptor.digest).toBe(descriptor.digest)
    for (const { digest, size } of layers) expect(await store.statBlob(`shop/n${n % 3}`, digest, never)).toBe(size)
  }
})

it('tells in a dry run what would go, and deletes nothing', async () => {
  await using disk = await anAgingStore()
  const { store, root } = disk
  const shared = Buffer.alloc(5000, 'shared')
  const kept = await anImage(store, 'shop', { layers: [shared, aBlob().bytes] })
  const named = await anImage(store, 'shop', { tags: ['old'], layers: [shared, aBlob().bytes] })
  await anImage(store, 'mirror/debian', { tags: ['12'], layers: [aBlob().bytes] })
  await anImage(store, 'shop', { layers: [aBlob().bytes] })
  const before = await blobsIn(root)
  await disk.age()
  const request = {
    keep: new Set([kept.descriptor.digest]),
    expire: { below: 'mirror/', unusedMs: DAY_MS / 2 },
  }
  const untagged = new Map([['shop', new Set(['old'])]])
  const would = await store.collectGarbage({ ...request, untagged, dryRun: true }, never)
  expect(await blobsIn(root)).toBe(before)
  expect(await store.tags('mirror/debian', never)).toEqual(['12'])
  expect(await store.readManifest('shop', named.descriptor.digest, never)).not.toBeNull()
  await disk.age()
  await store.deleteManifest('shop', 'old', never)
  expect(await store.collectGarbage(request, never)).toEqual(would)
  expect(would.manifests).toBe(3)
  expect(await blobsIn(root)).toBe(3 + 1)
})
