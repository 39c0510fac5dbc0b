import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { MEDIA_TYPES } from '../model/descriptor.ts'
import { copyImage } from './copy-image.ts'
import { OciLayout } from './oci-layout.ts'
import { aBlob, aFolder, anImage, bytesOf, never, putBlob } from './testing.ts'

const json = async (path: string) =>
  JSON.parse(await readFile(path, 'utf8')) as {
    manifests: readonly { digest: string; annotations?: Record<string, string> }[]
  }

describe('OciLayout', () => {
  it('is a folder with blobs, a marker and an index, as the specification says', async () => {
    await using folder = await aFolder()
    const layout = await OciLayout.open(join(folder.path, 'new', 'layout'))
    const { descriptor } = await anImage(layout, 'shop', { tags: ['v1', 'latest'] })
    const root = join(folder.path, 'new', 'layout')
    expect((await readdir(root)).sort()).toEqual(['blobs', 'index.json', 'oci-layout'])
    expect(await readFile(join(root, 'oci-layout'), 'utf8')).toBe('{"imageLayoutVersion":"1.0.0"}')
    const { manifests } = await json(join(root, 'index.json'))
    expect(manifests.map(({ digest }) => digest)).toEqual([descriptor.digest, descriptor.digest])
    expect(manifests.map(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'])).toEqual([
      'v1',
      'latest',
    ])
  })

  it('gives back what was written, by tag and by digest, also when it is opened again', async () => {
    await using folder = await aFolder()
    const { descriptor, bytes } = await anImage(await OciLayout.open(folder.path), 'shop', { tags: ['v1'] })
    const again = await OciLayout.open(folder.path)
    for (const reference of ['v1', descriptor.digest]) {
      const found = await again.readManifest('any', reference, never)
      expect(found?.descriptor).toEqual(descriptor)
      expect(Buffer.from(found?.bytes ?? [])).toEqual(bytes)
    }
    expect(await again.readManifest('any', 'v2', never)).toBeNull()
  })

  it('moves and deletes tags, and forgets a manifest that is deleted by its digest', async () => {
    await using folder = await aFolder()
    const layout = await OciLayout.open(folder.path)
    const one = await anImage(layout, 'shop', { tags: ['v1', 'v2'] })
    const other = await anImage(layout, 'shop', { tags: ['v1'] })
    expect((await layout.readManifest('shop', 'v1', never))?.descriptor.digest).toBe(other.descriptor.digest)
    expect(await layout.deleteManifest('shop', 'v2', never)).toBe(true)
    expect(await layout.tags('shop', never)).toEqual(['v1'])
    expect(await layout.readManifest('shop', one.descriptor.digest, never)).not.toBeNull()
    expect(await layout.deleteManifest('shop', one.descriptor.digest, never)).toBe(true)
    expect(await layout.readManifest('shop', one.descriptor.digest, never)).toBeNull()
    expect(await layout.deleteManifest('shop', 'v2', never)).toBe(false)
  })

  it('keeps an untagged manifest once', async () => {
    await using folder = await aFolder()
    const layout = await OciLayout.open(folder.path)
    const { manifest, bytes } = await anImage(layout, 'shop')
    await layout.writeManifest('shop', { mediaType: manifest.mediaType, bytes }, [], never)
    expect((await json(join(folder.path, 'index.json'))).manifests).toHaveLength(1)
  })

  it('finds what an index names through it alone, as build tools leave several platforms', async () => {
    await using folder = await aFolder()
    const layout = await OciLayout.open(folder.path)
    const children = [(await anImage(layout, 'shop')).descriptor, (await anImage(layout, 'shop')).descriptor]
    const mediaType = MEDIA_TYPES.imageIndex
    const put = (manifests: readonly object[], tags: readonly string[]) => {
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
      return layout.writeManifest('shop', { mediaType, bytes }, tags, never)
    }
    const outer = await put([await put(children, [])], ['v1'])
    expect((await json(join(folder.path, 'index.json'))).manifests.map(({ digest }) => digest)).toEqual([outer.digest])
    for (const { digest } of children)
      expect((await layout.readManifest('shop', digest, never))?.descriptor.digest).toBe(digest)
    await using copies = await aFolder()
    const copy = await OciLayout.open(copies.path)
    const from = { store: layout, repository: 'shop', reference: 'v1' }
    await copyImage({ from, to: { store: copy, repository: 'x', tags: ['v2'] }, platform: null }, never)
    expect(await copy.digests()).toEqual([outer.digest])
    expect(await copy.readManifest('x', aBlob().digest, never)).toBeNull()
  })

  it('keeps nothing of wrong bytes, and sends nothing that is there', async () => {
    await using folder = await aFolder()
    const layout = await OciLayout.open(folder.path)
    const { bytes, digest, size } = aBlob()
    const wrong = layout.writeBlob('shop', { digest, size }, () => Readable.from([aBlob().bytes]), never)
    await expect(wrong).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
    expect(await readdir(join(folder.path, 'blobs'))).toEqual(['sha256'])
    await putBlob(layout, 'shop', bytes)
    expect(await layout.writeBlob('shop', { digest, size }, () => Readable.from([bytes]), never)).toBe(0)
    expect(await bytesOf(await layout.readBlob('shop', digest, never))).toEqual(bytes)
  })

  it('never gives out damaged bytes', async () => {
    await using folder = await aFolder()
    const layout = await OciLayout.open(folder.path)
    const { bytes, digest } = aBlob()
    await putBlob(layout, 'shop', bytes)
    await writeFile(join(folder.path, 'blobs', ...digest.split(':')), Buffer.alloc(bytes.length))
    await expect(bytesOf(await layout.readBlob('shop', digest, never))).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    })
    await rm(join(folder.path, 'blobs', ...digest.split(':')))
    await expect(layout.readBlob('shop', digest, never)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
  })

  it('refuses a manifest whose layers are not there, and a folder that holds something else', async () => {
    await using folder = await aFolder()
    const layout = await OciLayout.open(folder.path)
    const { manifest } = await anImage(layout, 'shop')
    const { digest, size } = aBlob()
    const bytes = Buffer.from(JSON.stringify({ ...manifest, layers: [{ ...manifest.layers[0], digest, size }] }))
    await expect(
      layout.writeManifest('shop', { mediaType: manifest.mediaType, bytes }, ['v1'], never),
    ).rejects.toMatchObject({ code: 'IMAGE_INVALID' })
    await writeFile(join(folder.path, 'index.json'), '{"a":1}')
    await expect(OciLayout.open(folder.path)).rejects.toMatchObject({ code: 'IMAGE_INVALID' })
  })
})
