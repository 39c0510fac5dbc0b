import { expect, it } from 'vitest'
import { aDiskStore, anImage, never } from '../testing.ts'
import { HeldManifests } from './held-manifests.ts'

const aManifest = (size = 10) => ({
  descriptor: { mediaType: 'a/b', digest: `sha256:${'a'.repeat(64)}`, size },
  bytes: Buffer.alloc(size),
})

it('is as the disk is after each change: a tag that moves or goes, a manifest that is deleted or collected', async () => {
  await using disk = await aDiskStore()
  const { store } = disk
  const one = await anImage(store, 'shop', { tags: ['v1'] })
  const other = await anImage(store, 'shop', { tags: ['v2'] })
  const read = async (reference: string) => (await store.readManifest('shop', reference, never))?.descriptor.digest
  expect(await read('v1')).toBe(one.descriptor.digest)
  expect(store.heldManifest('shop', 'v1')?.descriptor.digest).toBe(one.descriptor.digest)
  await store.writeManifest('shop', { mediaType: other.descriptor.mediaType, bytes: other.bytes }, ['v1'], never)
  expect(await read('v1')).toBe(other.descriptor.digest)
  await store.useTag('shop', 'v1', one.descriptor.digest)
  expect(await read('v1')).toBe(one.descriptor.digest)
  await store.deleteManifest('shop', 'v1', never)
  expect(await read('v1')).toBeUndefined()
  expect(await read('v2')).toBe(other.descriptor.digest)
  await store.deleteManifest('shop', other.descriptor.digest, never)
  expect(await read('v2')).toBeUndefined()
  expect(await read(other.descriptor.digest)).toBeUndefined()
  expect(await read(one.descriptor.digest)).toBe(one.descriptor.digest)
  await store.collectGarbage({ keep: new Set(), graceMs: -10_000 }, never)
  expect(await read(one.descriptor.digest)).toBeUndefined()
})

it('does not hold what was read while something changed', () => {
  const held = new HeldManifests()
  const { changes } = held
  held.drop('shop', 'v1')
  held.hold('shop', 'v1', aManifest(), changes, 0)
  expect(held.get('shop', 'v1', 0)).toBeNull()
  held.hold('shop', 'v1', aManifest(), held.changes, 0)
  expect(held.get('shop', 'v1', 59_999)).not.toBeNull()
  expect(held.get('shop', 'v1', 60_000)).toBeNull()
  expect(held.get('shop/v1', '', 0)).toBeNull()
})

it('A14: holds a few megabytes, however many are asked for', () => {
  const held = new HeldManifests()
  for (let n = 0; n < 20; n++) held.hold('shop', `v${n}`, aManifest(1_000_000), held.changes, 0)
  const left = Array.from({ length: 20 }, (_, n) => held.get('shop', `v${n}`, 0)).filter((entry) => entry !== null)
  expect(left).toHaveLength(16)
  expect(held.get('shop', 'v19', 0)).not.toBeNull()
})
