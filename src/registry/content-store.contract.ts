import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MEDIA_TYPES } from '../model/descriptor.ts'
import type { ContentStore } from './content-store.ts'
import { digestOf } from './digest.ts'
import { aBlob, anImage, bytesOf, never, putBlob } from './testing.ts'

export interface ContractSubject extends AsyncDisposable {
  readonly store: ContentStore
}

/** What a store cannot do, said openly. */
export interface ContractGaps {
  /** Deleting a tag alone (docker-registry answers 405). */
  readonly deletesTags?: boolean
  /** Digests of sha512. */
  readonly sha512?: boolean
  /** That an image names only layers that are there: some registries take sparse images. */
  readonly checksLayers?: boolean
  /** That an index names only manifests that are there. */
  readonly checksIndexes?: boolean
}

let counter = 0
/** A repository of its own for each test. */
const aRepository = () => `team/app-${process.pid}-${counter++}`

/** What every content store does. */
export function describeContentStore(
  name: string,
  make: () => Promise<ContractSubject>,
  gaps: ContractGaps = {},
): void {
  describe(`content store: ${name}`, () => {
    let subject: ContractSubject
    let store: ContentStore
    beforeAll(async () => {
      subject = await make()
      store = subject.store
    })
    afterAll(() => subject?.[Symbol.asyncDispose]())

    describe('blobs', () => {
      it.each([0, 1, 1000, 262_144, 5_000_001])('gives back the %d bytes that were written', async (size) => {
        const repository = aRepository()
        const blob = aBlob(size)
        const sent = await store.writeBlob(repository, blob, () => Readable.from([blob.bytes]), never)
        expect(sent).toBe(size)
        expect(await store.statBlob(repository, blob.digest, never)).toBe(size)
        expect(await bytesOf(await store.readBlob(repository, blob.digest, never))).toEqual(blob.bytes)
      })

      it('sends nothing for a blob that is there', async () => {
        const repository = aRepository()
        const { bytes, ...blob } = aBlob()
        await putBlob(store, repository, bytes)
        const open = () => {
          throw new Error('was opened')
        }
        expect(await store.writeBlob(repository, blob, open, never)).toBe(0)
      })

      it('sends without asking what it is told to, also what is there', async () => {
        const repository = aRepository()
        const { bytes, ...blob } = aBlob()
        for (const _ of [1, 2]) {
          const sent = await store.writeBlob(
            repository,
            { ...blob, unasked: true },
            () => Readable.from([bytes]),
            never,
          )
          expect([0, blob.size]).toContain(sent)
          expect(await bytesOf(await store.readBlob(repository, blob.digest, never))).toEqual(bytes)
        }
      })

      it.each([1, 1000, 5_000_001])('takes %d bytes into what was begun before they were known', async (size) => {
        const repository = aRepository()
        const blob = aBlob(size)
        const begun = store.beginBlob?.(repository, never)
        if (begun === undefined) return
        expect(await begun.write({ ...blob, unasked: true }, () => Readable.from([blob.bytes]), never)).toBe(size)
        await begun.discard()
        expect(await bytesOf(await store.readBlob(repository, blob.digest, never))).toEqual(blob.bytes)
        const again = store.beginBlob?.(repository, never)
        expect(await again?.write(blob, () => Readable.from([blob.bytes]), never)).toBe(0)
        await again?.discard()
        await again?.discard()
      })

      it.skipIf(gaps.sha512 === false)('keeps blobs by sha512 as well', async () => {
        const repository = aRepository()
        const bytes = randomBytes(3000)
        const digest = digestOf(bytes, 'sha512')
        await store.writeBlob(repository, { digest, size: 3000 }, () => Readable.from([bytes]), never)
        expect(await bytesOf(await store.readBlob(repository, digest, never))).toEqual(bytes)
      })

      it('does not know a blob that nobody wrote', async () => {
        const { digest } = aBlob()
        expect(await store.statBlob(aRepository(), digest, never)).toBeNull()
        await expect(store.readBlob(aRepository(), digest, never)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
      })

      it('keeps nothing when the bytes are not what their digest says', async () => {
        const repository = aRepository()
        const { digest, size } = aBlob()
        const other = aBlob()
        await expect(
          store.writeBlob(repository, { digest, size }, () => Readable.from([other.bytes]), never),
        ).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
        expect(await store.statBlob(repository, digest, never)).toBeNull()
        expect(await store.statBlob(repository, other.digest, never)).toBeNull()
      })

      it.each(['shorter', 'longer'])('keeps nothing when the bytes are %s than expected', async (which) => {
        const repository = aRepository()
        const { bytes, digest, size } = aBlob()
        const wrong = { digest, size: which === 'shorter' ? size + 1 : size - 1 }
        const writing = store.writeBlob(repository, wrong, () => Readable.from([bytes]), never)
        await expect(writing).rejects.toMatchObject({ name: 'DeployError' })
        expect(await store.statBlob(repository, digest, never)).toBeNull()
      })

      it('keeps nothing when the source fails half-way', async () => {
        const repository = aRepository()
        const { bytes, digest, size } = aBlob(200_000)
        const failing = () =>
          Readable.from(
            (async function* () {
              yield bytes.subarray(0, 100_000)
              throw new Error('the source broke')
            })(),
          )
        await expect(store.writeBlob(repository, { digest, size }, failing, never)).rejects.toThrow()
        expect(await store.statBlob(repository, digest, never)).toBeNull()
        await putBlob(store, repository, bytes)
        expect(await store.statBlob(repository, digest, never)).toBe(size)
      })

      it('gives up when it is aborted', async () => {
        const repository = aRepository()
        const { digest, size } = aBlob(200_000)
        const abort = new AbortController()
        const endless = () =>
          new Readable({
            read() {
              abort.abort(new Error('enough'))
            },
          })
        await expect(store.writeBlob(repository, { digest, size }, endless, abort.signal)).rejects.toThrow()
        expect(await store.statBlob(repository, digest, never)).toBeNull()
      })

      it('takes the same blob from many writers at once', async () => {
        const repository = aRepository()
        const { bytes, digest } = aBlob(300_000)
        await Promise.all(Array.from({ length: 8 }, () => putBlob(store, repository, bytes)))
        expect(await bytesOf(await store.readBlob(repository, digest, never))).toEqual(bytes)
      })

      it('belongs to the repository it was written to, until it is mounted', async () => {
        const [one, other] = [aRepository(), aRepository()]
        const { bytes, digest, size } = aBlob()
        expect(await store.mountBlob(other, digest, one, never)).toBe(false)
        await putBlob(store, one, bytes)
        expect(await store.statBlob(other, digest, never)).toBeNull()
        expect(await store.mountBlob(other, digest, one, never)).toBe(true)
        expect(await store.statBlob(other, digest, never)).toBe(size)
        expect(await bytesOf(await store.readBlob(other, digest, never))).toEqual(bytes)
      })
    })

    describe('manifests', () => {
      it.each([false, true])('gives back the exact bytes, by tag and by digest (Docker types: %s)', async (docker) => {
        const repository = aRepository()
        const { descriptor, bytes } = await anImage(store, repository, { tags: ['v1', 'latest'], docker })
        expect(descriptor).toMatchObject({ digest: digestOf(bytes), size: bytes.length })
        for (const reference of ['v1', 'latest', descriptor.digest]) {
          const found = await store.readManifest(repository, reference, never)
          expect(found?.descriptor).toMatchObject(descriptor)
          expect(Buffer.from(found?.bytes ?? [])).toEqual(bytes)
        }
      })

      it('does not know what nobody wrote', async () => {
        const repository = aRepository()
        expect(await store.readManifest(repository, 'v1', never)).toBeNull()
        await anImage(store, repository, { tags: ['v1'] })
        expect(await store.readManifest(repository, 'v2', never)).toBeNull()
        expect(await store.readManifest(repository, aBlob().digest, never)).toBeNull()
      })

      it('moves a tag to another manifest', async () => {
        const repository = aRepository()
        await anImage(store, repository, { tags: ['v1'] })
        const { descriptor } = await anImage(store, repository, { tags: ['v1'] })
        expect((await store.readManifest(repository, 'v1', never))?.descriptor.digest).toBe(descriptor.digest)
      })

      it('keeps an index with what it names', async () => {
        const repository = aRepository()
        const [one, other] = [await anImage(store, repository), await anImage(store, repository)]
        const mediaType = MEDIA_TYPES.imageIndex
        const bytes = Buffer.from(
          JSON.stringify({ schemaVersion: 2, mediaType, manifests: [one.descriptor, other.descriptor] }),
        )
        await store.writeManifest(repository, { mediaType, bytes }, ['multi'], never)
        expect((await store.readManifest(repository, 'multi', never))?.descriptor).toMatchObject({ mediaType })
      })

      it.skipIf(gaps.checksLayers === false)('refuses a manifest whose layer is not there', async () => {
        const repository = aRepository()
        const { manifest } = await anImage(store, repository)
        const { digest, size } = aBlob()
        const bytes = Buffer.from(
          JSON.stringify({ ...manifest, layers: [{ mediaType: MEDIA_TYPES.layer, digest, size }] }),
        )
        await expect(
          store.writeManifest(repository, { mediaType: manifest.mediaType, bytes }, ['v1'], never),
        ).rejects.toMatchObject({ name: 'DeployError' })
        expect(await store.readManifest(repository, 'v1', never)).toBeNull()
      })

      it.skipIf(gaps.checksIndexes === false)('refuses an index whose manifest is not there', async () => {
        const mediaType = MEDIA_TYPES.imageIndex
        const child = { mediaType: MEDIA_TYPES.imageManifest, digest: aBlob().digest, size: 2 }
        const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests: [child] }))
        await expect(store.writeManifest(aRepository(), { mediaType, bytes }, ['v1'], never)).rejects.toMatchObject({
          name: 'DeployError',
        })
      })

      it.each(['', '{', '[]', '"a"', '{"schemaVersion":1}', '{"schemaVersion":2}', 'x'.repeat(5_000_000)])(
        'refuses what is no manifest (%#)',
        async (text) => {
          const manifest = { mediaType: MEDIA_TYPES.imageManifest, bytes: Buffer.from(text) }
          await expect(store.writeManifest(aRepository(), manifest, ['v1'], never)).rejects.toMatchObject({
            name: 'DeployError',
          })
        },
      )
    })

    describe('tags', () => {
      it('are listed in order; an unknown repository has none', async () => {
        const repository = aRepository()
        expect(await store.tags(repository, never)).toEqual([])
        await anImage(store, repository, { tags: ['v2', 'v10', 'V1', 'latest', '_x'] })
        expect(await store.tags(repository, never)).toEqual(['V1', '_x', 'latest', 'v10', 'v2'])
      })

      it('go with the manifest that is deleted by its digest', async () => {
        const repository = aRepository()
        const { descriptor } = await anImage(store, repository, { tags: ['v1', 'v2'] })
        await anImage(store, repository, { tags: ['v3'] })
        expect(await store.deleteManifest(repository, descriptor.digest, never)).toBe(true)
        expect(await store.readManifest(repository, 'v1', never)).toBeNull()
        expect(await store.readManifest(repository, descriptor.digest, never)).toBeNull()
        expect(await store.tags(repository, never)).toEqual(['v3'])
        expect(await store.deleteManifest(repository, descriptor.digest, never)).toBe(false)
      })

      it.skipIf(gaps.deletesTags === false)('can be deleted alone', async () => {
        const repository = aRepository()
        const { descriptor } = await anImage(store, repository, { tags: ['v1', 'v2'] })
        expect(await store.deleteManifest(repository, 'v1', never)).toBe(true)
        expect(await store.tags(repository, never)).toEqual(['v2'])
        expect(await store.readManifest(repository, descriptor.digest, never)).not.toBeNull()
        expect(await store.deleteManifest(repository, 'v1', never)).toBe(false)
      })
    })
  })
}
