import { randomBytes } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { packTar } from 'modern-tar'
import { describe, expect, it } from 'vitest'
import { MEDIA_TYPES } from '../../model/descriptor.ts'
import { digestOf } from '../../registry/digest.ts'
import { anImage, putBlob } from '../../registry/testing.ts'
import { aBuild, never, type TestBuild } from '../testing.ts'

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
    ['is of a type that is no layer', 'IMAGE_INVALID', (build) => base(build, randomBytes(9), { mediaType: 'a/b' })],
    ['is no zstd', 'IMAGE_INVALID', (build) => base(build, randomBytes(9), { mediaType: MEDIA_TYPES.layerZstd })],
  ])('that %s is refused, and nothing is pushed', async (_name, code, make) => {
    await using build = await aChild()
    await make(build)
    await expect(build.run()).rejects.toMatchObject({ code })
    expect(await build.store.tags('shop', never)).toEqual([])
  })
})
