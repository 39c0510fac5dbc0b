import { randomBytes } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { packTar } from 'modern-tar'
import { describe, expect, it } from 'vitest'
import { MEDIA_TYPES } from '../../model/descriptor.ts'
import { digestOf } from '../../registry/digest.ts'
import { anImage, putBlob } from '../../registry/testing.ts'
import { aBuild, never, type TestBuild } from '../testing.ts'
import { readLayer } from './read-layer.ts'

const tarOf = async (name: string) => packTar([{ header: { name, size: 1 }, body: 'x' }])

/** Makes `base:1` with one layer as given, whatever it is. */
async function base({ store }: TestBuild, layer: Uint8Array, more: { plain?: Uint8Array; mediaType?: string } = {}) {
  const blob = await putBlob(store, 'base', layer)
  const config = {
    os: 'linux',
    architecture: 'amd64',
    rootfs: { type: 'layers', diff_ids: [digestOf(more.plain ?? layer)] },
  }
  const configBlob = await putBlob(store, 'base', Buffer.from(JSON.stringify(config)))
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.imageManifest,
    config: { mediaType: MEDIA_TYPES.imageConfig, ...configBlob },
    layers: [{ mediaType: more.mediaType ?? MEDIA_TYPES.layerGzip, ...blob }],
  }
  const bytes = Buffer.from(JSON.stringify(manifest))
  await store.writeManifest('base', { mediaType: manifest.mediaType, bytes }, ['1'], never)
}

/** One file in so many folders. */
async function deep(build: TestBuild, folders: number) {
  const plain = await tarOf(`${'d/'.repeat(folders)}a`)
  await base(build, gzipSync(plain), { plain })
}

const aChild = () => aBuild({ Dockerfile: 'FROM base:1\nCOPY Dockerfile /sub/\n' })

describe('a layer of a base image', () => {
  const twoFrames = (tar: Uint8Array) =>
    Buffer.concat([zstdCompressSync(tar.subarray(0, 700)), zstdCompressSync(tar.subarray(700))])
  it.each<[string, string, (tar: Uint8Array) => Uint8Array]>([
    ['plain', MEDIA_TYPES.layer, (tar) => tar],
    ['gzip', MEDIA_TYPES.layerGzip, (tar) => gzipSync(tar)],
    [
      'gzip of two members',
      MEDIA_TYPES.layerGzip,
      (tar) => Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]),
    ],
    ['zstd', MEDIA_TYPES.layerZstd, (tar) => zstdCompressSync(tar)],
    ['zstd of two frames', MEDIA_TYPES.layerZstd, twoFrames],
    ["plain, with Docker's type", MEDIA_TYPES.dockerLayer, (tar) => tar],
    ["gzip, with Docker's type", MEDIA_TYPES.dockerLayerGzip, (tar) => gzipSync(tar)],
    ["zstd, with Docker's type", MEDIA_TYPES.dockerLayerZstd, (tar) => zstdCompressSync(tar)],
  ])('that is sound is read and passed on with its OCI type: %s', async (_name, mediaType, pack) => {
    await using build = await aChild()
    const tar = await tarOf('a')
    await base(build, pack(tar), { plain: tar, mediaType })
    const { artifact } = await build.run()
    const manifest = await build.store.readManifest('shop', artifact.digest, never)
    const { layers } = JSON.parse(Buffer.from(manifest?.bytes ?? []).toString()) as { layers: { mediaType: string }[] }
    const compression = /(gzip|zstd)$/.exec(mediaType)?.[0]
    expect(layers[0]?.mediaType).toBe(`${MEDIA_TYPES.layer}${compression === undefined ? '' : `+${compression}`}`)
  })

  it.each<[string, string, (build: TestBuild) => Promise<unknown>]>([
    ['is no gzip', 'IMAGE_INVALID', (build) => base(build, randomBytes(2000))],
    ['is cut', 'IMAGE_INVALID', async (build) => base(build, gzipSync(randomBytes(5000)).subarray(0, 3000))],
    ['is no tar inside', 'IMAGE_INVALID', (build) => anImage(build.store, 'base', { tags: ['1'] })],
    [
      'names a path outside',
      'IMAGE_INVALID',
      async (build) =>
        base(build, gzipSync(await tarOf('../../etc/passwd')), { plain: await tarOf('../../etc/passwd') }),
    ],
    [
      'unpacks to something else than the image says',
      'DIGEST_MISMATCH',
      async (build) => base(build, gzipSync(await tarOf('a')), { plain: await tarOf('b') }),
    ],
    [
      'is a bomb of zeros (A7)',
      'IMAGE_INVALID',
      (build) => base(build, zstdCompressSync(Buffer.alloc(300 * 2 ** 20)), { mediaType: MEDIA_TYPES.layerZstd }),
    ],
    ['is a bomb of folders (A7)', 'IMAGE_INVALID', (build) => deep(build, 300_000)],
    ['has a path that is longer than any of Linux', 'IMAGE_INVALID', (build) => deep(build, 2050)],
    ['is of a type that is no layer', 'IMAGE_INVALID', (build) => base(build, randomBytes(9), { mediaType: 'a/b' })],
    ['is no zstd', 'IMAGE_INVALID', (build) => base(build, randomBytes(9), { mediaType: MEDIA_TYPES.layerZstd })],
  ])('that %s is refused, and nothing is pushed', async (_name, code, make) => {
    await using build = await aChild()
    await make(build)
    await expect(build.run()).rejects.toMatchObject({ code })
    expect(await build.store.tags('shop', never)).toEqual([])
  })

  it('as deep as Linux goes is taken, and one of its files can be copied', async () => {
    const path = `${'d/'.repeat(2000)}a`
    await using build = await aBuild({ Dockerfile: `FROM base:1\nCOPY Dockerfile /sub/\nCOPY --from=base:1 / /x/\n` })
    const plain = await tarOf(path)
    await base(build, gzipSync(plain), { plain })
    expect((await build.run()).layers.length).toBe(3)
  })

  it.each([
    ['bytes', { bytes: 2000, entries: 9 }, 'unpacks to more than 2000 bytes'],
    ['entries', { bytes: 1e6, entries: 2 }, 'has more than 2 entries'],
  ])('with more %s than are taken is refused (A7)', async (_, limits, message) => {
    await using build = await aChild()
    const entries = ['a', 'b', 'c'].map((name) => ({ header: { name, size: 1 }, body: 'x' }))
    const plain = await packTar(entries)
    const blob = await putBlob(build.store, 'base', plain)
    const layer = { mediaType: MEDIA_TYPES.layer, ...blob }
    const source = { store: build.store, repository: 'base', layer, diffId: digestOf(plain) }
    const reading = readLayer(source, async () => {}, never, limits)
    await expect(reading).rejects.toMatchObject({ code: 'IMAGE_INVALID', message: expect.stringContaining(message) })
  })
})
