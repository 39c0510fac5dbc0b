import { expect, it } from 'vitest'
import { MEDIA_TYPES } from '../../model/descriptor.ts'
import { digestOf } from '../digest.ts'
import { aDiskStore, anImage, never } from '../testing.ts'
import { type RepositoryContents, readRepository, type RegistryContents, usageOf } from './registry-contents.ts'

const of = (repository: string, blobs: Record<string, number>, tags = 1): RepositoryContents => ({
  repository,
  tags: Array.from({ length: tags }, (_, at) => ({ tag: `v${at}`, digest: 'sha256:', bytes: 0, setAtMs: null })),
  blobs: new Map(Object.entries(blobs)),
})

it('counts each blob once in all', () => {
  expect(
    usageOf([of('a', { base: 100, own: 1 }), of('b', { base: 100, own2: 20, other: 3 }, 2), of('c', {}, 0)]),
  ).toEqual({
    bytes: 124,
    garbageBytes: null,
    repositories: [
      { repository: 'b', tags: 2, bytes: 123 },
      { repository: 'a', tags: 1, bytes: 101 },
      { repository: 'c', tags: 0, bytes: 0 },
    ],
  })
})

it('adds up what tags lead to, through indexes that lack some of what they name, each blob once', async () => {
  await using disk = await aDiskStore()
  const { store } = disk
  const base = Buffer.from('x'.repeat(5000))
  const first = await anImage(store, 'shop', { tags: ['1', 'again'], layers: [base] })
  const second = await anImage(store, 'shop', { layers: [base, Buffer.from('more')] })
  const missing = { mediaType: MEDIA_TYPES.imageManifest, digest: `sha256:${'0'.repeat(64)}`, size: 7 }
  const index = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.imageIndex,
    manifests: [first.descriptor, second.descriptor, missing],
  }
  const bytes = Buffer.from(JSON.stringify(index))
  const manifest = { mediaType: MEDIA_TYPES.imageIndex, bytes, digest: '', sparse: true }
  await store.putManifest('shop', { ...manifest, digest: digestOf(bytes) }, ['all'], never)
  const contents: RegistryContents = {
    repositories: () => store.repositories(),
    tags: (...args) => store.tags(...args),
    readManifest: (...args) => store.readManifest(...args),
    deleteManifest: (...args) => store.deleteManifest(...args),
    close: () => {},
  }
  const read = await readRepository(contents, 'shop', never)
  const sizeOf = ({ descriptor, configBlob, layers }: typeof first) =>
    [descriptor, configBlob, ...layers].reduce((sum, { size }) => sum + size, 0)
  const shared = first.layers[0]?.size ?? 0
  const all = bytes.length + sizeOf(first) + sizeOf(second) - shared
  expect(read.tags.map(({ tag, bytes: size }) => [tag, size])).toEqual([
    ['1', sizeOf(first)],
    ['again', sizeOf(first)],
    ['all', all],
  ])
  expect(usageOf([read]).bytes).toBe(all)
})
