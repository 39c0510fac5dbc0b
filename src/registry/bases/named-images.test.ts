import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MEDIA_TYPES } from '../../model/descriptor.ts'
import { systemClock } from '../../os/system-clock.ts'
import type { ContentStore } from '../content-store.ts'
import type { DiskStore } from '../disk/disk-store.ts'
import { cleanUp, clientOf, play } from '../client/testing-play.ts'
import { aDiskStore, aRegistry, bytesOf, never } from '../testing.ts'
import {
  AMD,
  anImageOf,
  anIndexOf,
  ARM,
  asking,
  elsewhere,
  type Elsewhere,
  failing,
} from '../../build/base/testing-bases.ts'
import { namedImages } from './named-images.ts'

let disk: Awaited<ReturnType<typeof aDiskStore>>
let images: DiskStore
let other: Elsewhere
beforeEach(async () => {
  disk = await aDiskStore()
  images = disk.store
  other = await elsewhere()
})
afterEach(async () => {
  await cleanUp()
  await other[Symbol.asyncDispose]()
  await disk[Symbol.asyncDispose]()
})

const blobReads = () => other.asked.filter((one) => one.startsWith('readBlob')).length
const FILES = [{ 'bin/x': 'x' }, { 'lib/y': 'y' }]

async function twoPlatforms(repository = 'team/shop', tag = '1') {
  const amd = await anImageOf(other.store, repository, FILES, { platform: AMD })
  const arm = await anImageOf(other.store, repository, [{ arm: 'a' }], { platform: ARM })
  const index = await anIndexOf(
    other.store,
    repository,
    [
      { ...arm, platform: ARM },
      { ...amd, platform: AMD },
    ],
    tag,
  )
  return { amd, arm, index }
}

describe('an image of another registry', () => {
  it('is copied with all of its blobs, of an index only what the platform needs', async () => {
    const { amd, index } = await twoPlatforms()
    const build = asking(images, other)
    const found = await build.find('ghcr.io/team/shop:1')
    expect(found).toMatchObject({ name: 'ghcr.io/team/shop:1', digest: index.digest, imageDigest: amd.digest })
    expect(found.repository).toBe('mirror/ghcr.io/team/shop')
    for (const { digest, size } of found.manifest.layers)
      expect((await bytesOf(await images.readBlob(found.repository, digest, never))).length).toBe(size)
    expect(blobReads()).toBe(3)
    expect(build.happenings.at(-1)).toMatchObject({ kind: 'image', state: 'here', source: 'registry' })
    const last = build.happenings.at(-1)
    expect(last?.kind === 'image' && last.missingBytes > 0 && last.receivedBytes === last.missingBytes).toBe(true)
  })

  it('is pinned without a copy, by the image that its index has for the platform', async () => {
    const { amd, index } = await twoPlatforms()
    const plan = asking(images, other)
    const pinned = `ghcr.io/team/shop:1@${amd.digest}`
    expect(await plan.pin('ghcr.io/team/shop:1')).toBe(pinned)
    expect(await plan.pin(`ghcr.io/team/shop:1@${index.digest}`)).toBe(pinned)
    expect(await plan.pin(pinned)).toBe(pinned)
    expect(await images.repositories()).toEqual([])
    expect(blobReads()).toBe(0)
    expect((await plan.find(pinned)).imageDigest).toBe(amd.digest)
    await expect(plan.pin('ghcr.io/team/shop:2')).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
  })

  it('is resolved once for a build, however many stages and platforms want it', async () => {
    const { index, arm } = await twoPlatforms()
    const build = asking(images, other)
    const [one, two, three] = await Promise.all([
      build.find('ghcr.io/team/shop:1'),
      build.find('ghcr.io/team/shop:1'),
      build.find('ghcr.io/team/shop:1', ARM),
    ])
    expect(new Set([one.digest, two.digest, three.digest])).toEqual(new Set([index.digest]))
    expect(three.imageDigest).toBe(arm.digest)
    expect(other.asked.filter((ask) => ask.startsWith('resolveTag'))).toHaveLength(1)
    expect(other.asked.filter((ask) => ask.startsWith('open'))).toEqual(['open ghcr.io'])
  })

  it('is asked for again by its tag in the next build, and nothing travels while that names the same', async () => {
    await twoPlatforms()
    await asking(images, other).find('ghcr.io/team/shop:1')
    other.asked.length = 0
    const build = asking(images, other)
    await build.find('ghcr.io/team/shop:1')
    expect(other.asked).toEqual(['open ghcr.io', 'resolveTag team/shop 1'])
    expect(build.happenings).toMatchObject([{ kind: 'image', state: 'here', missingBytes: 0 }])
  })

  it('is a new one when the tag has moved, and only new blobs travel', async () => {
    await anImageOf(other.store, 'team/shop', FILES, { tags: ['1'] })
    await asking(images, other).find('ghcr.io/team/shop:1')
    const moved = await anImageOf(other.store, 'team/shop', [...FILES, { new: 'n' }], { tags: ['1'] })
    other.asked.length = 0
    expect(await asking(images, other).find('ghcr.io/team/shop:1')).toMatchObject({ digest: moved.digest })
    expect(blobReads()).toBe(2)
  })

  it('does not travel where another repository of this machine has its blobs', async () => {
    await anImageOf(images, 'shop', FILES)
    await anImageOf(other.store, 'team/shop', FILES, { tags: ['1'] })
    await asking(images, other).find('ghcr.io/team/shop:1')
    expect(blobReads()).toBe(0)
  })

  it('with Docker media types is taken as it is', async () => {
    const { digest } = await anImageOf(other.store, 'team/shop', FILES, { tags: ['1'], docker: true })
    expect(await asking(images, other).find('ghcr.io/team/shop:1')).toMatchObject({ digest, imageDigest: digest })
  })

  it('of another platform only is used, and a note says so', async () => {
    await anImageOf(other.store, 'team/shop', FILES, { tags: ['1'] })
    const build = asking(images, other)
    await build.find('ghcr.io/team/shop:1', ARM)
    expect(build.notes()).toEqual([
      'ghcr.io/team/shop:1 is an image for linux/amd64 only, linux/arm64/v8 was asked for',
    ])
  })
})

describe('a digest', () => {
  it('that is here is not asked for', async () => {
    const { index, amd } = await twoPlatforms()
    await asking(images, other).find('ghcr.io/team/shop:1')
    other.asked.length = 0
    for (const digest of [index.digest, amd.digest]) {
      const found = await asking(images, other).find(`ghcr.io/team/shop:other@${digest}`)
      expect(found.imageDigest).toBe(amd.digest)
    }
    expect(other.asked).toEqual([])
  })

  it('whose index is here fetches only what another platform needs', async () => {
    const { index, arm } = await twoPlatforms()
    await asking(images, other).find('ghcr.io/team/shop:1')
    other.asked.length = 0
    const found = await asking(images, other).find(`ghcr.io/team/shop@${index.digest}`, ARM)
    expect(found.imageDigest).toBe(arm.digest)
    expect(blobReads()).toBe(2)
  })

  it('beside a tag does not become what the tag means', async () => {
    const old = await anImageOf(other.store, 'team/shop', FILES, { tags: ['1'] })
    const now = await anImageOf(other.store, 'team/shop', [{ now: 'n' }], { tags: ['1'] })
    await asking(images, other).find(`ghcr.io/team/shop:1@${old.digest}`)
    other.failure = failing('REGISTRY_UNREACHABLE')
    await expect(asking(images, other).find('ghcr.io/team/shop:1')).rejects.toMatchObject({
      code: 'REGISTRY_UNREACHABLE',
    })
    other.failure = null
    expect(await asking(images, other).find('ghcr.io/team/shop:1')).toMatchObject({ digest: now.digest })
  })
})

describe('when the registry fails', () => {
  it.each(['REGISTRY_UNREACHABLE', 'REGISTRY_RATE_LIMITED'] as const)(
    '%s: an earlier copy is used, and a note says which',
    async (code) => {
      const { index } = await twoPlatforms()
      await asking(images, other).find('ghcr.io/team/shop:1')
      other.failure = failing(code)
      const build = asking(images, other)
      expect(await build.find('ghcr.io/team/shop:1')).toMatchObject({ digest: index.digest })
      expect(build.notes()).toEqual([
        `${code} of the registry: the earlier copy of ghcr.io/team/shop:1 is used, ${index.digest}`,
      ])
      expect(build.happenings.at(-1)).toMatchObject({ kind: 'image', source: 'copy' })
    },
  )

  it.each(['REGISTRY_UNREACHABLE', 'REGISTRY_RATE_LIMITED'] as const)('%s without a copy is told', async (code) => {
    other.failure = failing(code)
    await expect(asking(images, other).find('ghcr.io/team/shop:1')).rejects.toMatchObject({ code })
  })

  it.each(['REGISTRY_AUTH_FAILED', 'REGISTRY_REFUSED', 'IMAGE_NOT_FOUND'] as const)(
    '%s is believed, although a copy is here',
    async (code) => {
      await twoPlatforms()
      await asking(images, other).find('ghcr.io/team/shop:1')
      other.failure = failing(code)
      await expect(asking(images, other).find('ghcr.io/team/shop:1')).rejects.toMatchObject({ code })
    },
  )

  it('a tag that is gone is not found, although a copy is here', async () => {
    await anImageOf(other.store, 'team/shop', FILES, { tags: ['1'] })
    await asking(images, other).find('ghcr.io/team/shop:1')
    await other.store.deleteManifest('team/shop', '1', never)
    await expect(asking(images, other).find('ghcr.io/team/shop:1')).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
  })

  it('a platform that there is not is told with those that there are', async () => {
    await twoPlatforms()
    const failed = asking(images, other).find('ghcr.io/team/shop:1', { os: 'linux', architecture: 's390x' })
    await expect(failed).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
      message: expect.stringContaining('linux/s390x'),
      hint: expect.stringContaining('linux/arm64/v8, linux/amd64.'),
    })
  })

  it('wrong bytes are refused, and nothing of the image counts', async () => {
    await anImageOf(other.store, 'team/shop', FILES, { tags: ['1'] })
    const { open } = other
    const lying = async (host: string): Promise<ContentStore & { close(): void }> => {
      const store = await open(host)
      return new Proxy(store, {
        get: (target, key) =>
          key === 'readBlob'
            ? async () => (await import('node:stream')).Readable.from([randomBytes(10)])
            : Reflect.get(target, key),
      })
    }
    const named = namedImages({ images, open: lying, report: () => {} })
    await expect(named.find('ghcr.io/team/shop:1', AMD, never)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
    expect(await images.tags('mirror/ghcr.io/team/shop', never)).toEqual([])
  })

  it.each([
    ['more layers than any image has', (layer: object) => Array.from({ length: 501 }, () => layer)],
    [
      'a layer that registries do not give out',
      (layer: object) => [{ ...layer, mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' }],
    ],
  ])('%s is refused (A7)', async (_what, layers) => {
    const { digest } = await anImageOf(other.store, 'team/shop', FILES)
    const whole = JSON.parse(
      Buffer.from((await other.store.readManifest('team/shop', digest, never))?.bytes ?? []).toString(),
    )
    const bytes = Buffer.from(JSON.stringify({ ...whole, layers: layers(whole.layers[0]) }))
    await other.store.writeManifest('team/shop', { mediaType: MEDIA_TYPES.imageManifest, bytes }, ['1'], never)
    await expect(asking(images, other).find('ghcr.io/team/shop:1')).rejects.toMatchObject({ code: 'IMAGE_INVALID' })
    expect(blobReads()).toBe(0)
  })
})

describe('a name without a registry', () => {
  it('is one of the embedded registry when that has it', async () => {
    const { digest } = await anImageOf(images, 'node', FILES, { tags: ['24'] })
    const build = asking(images, other)
    expect(await build.find('node:24')).toMatchObject({ name: 'node:24', digest, repository: 'node' })
    expect(build.happenings).toMatchObject([{ kind: 'image', source: 'embedded' }])
    expect(other.asked).toEqual([])
  })

  it('is one of Docker Hub else, the official images below library/', async () => {
    await anImageOf(images, 'node', FILES, { tags: ['22'] })
    await anImageOf(other.store, 'library/node', FILES, { tags: ['24', 'latest'] })
    await anImageOf(other.store, 'kim/shop', FILES, { tags: ['1'] })
    const build = asking(images, other)
    expect((await build.find('node:24')).name).toBe('docker.io/library/node:24')
    expect((await build.find('node')).name).toBe('docker.io/library/node:latest')
    expect((await build.find('kim/shop:1')).repository).toBe('mirror/docker.io/kim/shop')
    expect((await build.find('index.docker.io/node:24')).repository).toBe('mirror/docker.io/library/node')
  })

  it('that neither has is told so', async () => {
    await expect(asking(images, other).find('nodee:24')).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
      message: 'the embedded registry has no nodee:24, and Docker Hub: there is no image docker.io/library/nodee:24',
      hint: expect.stringContaining('naru image base'),
    })
  })
})

describe('over HTTP', () => {
  it('a tag that is known costs one HEAD', async () => {
    await using registry = await aRegistry()
    await anImageOf(registry.store, 'team/shop', FILES, { tags: ['1'] })
    const find = async () => {
      const named = namedImages({ images, report: () => {}, open: async () => clientOf(registry.host) })
      return named.find(`${registry.host}/team/shop:1`, AMD, never)
    }
    const first = await find()
    expect(await find()).toEqual(first)
    expect(await images.tags(first.repository, never)).toEqual(['1'])
  })

  it('an image of Docker schema 1 is refused by name', async () => {
    const { host } = await play((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/vnd.docker.distribution.manifest.v1+prettyjws' })
      response.end('{"schemaVersion":1,"name":"old"}')
    })
    const named = namedImages({ images, report: () => {}, open: async () => clientOf(host) })
    await expect(named.find(`${host}/old:1`, AMD, never)).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringContaining('schema 1'),
    })
  })
})

describe('garbage collection', () => {
  const MONTH = 30 * 24 * 3600_000
  // When a file was used is known to a second: "now" is one later.
  const NOW = -1000
  const collect = (unusedMs: number) =>
    images.collectGarbage({ keep: new Set(), graceMs: NOW, expire: { below: 'mirror/', unusedMs } }, never)

  it('lets a copy go that was not used for long, and keeps what others have', async () => {
    await anImageOf(images, 'shop', FILES, { tags: ['1'] })
    await anImageOf(other.store, 'team/shop', [...FILES, { big: 'b' }], { tags: ['1'] })
    const { repository, manifest } = await asking(images, other).find('ghcr.io/team/shop:1')
    await systemClock.sleep(2, never)
    await collect(MONTH)
    expect(await images.tags(repository, never)).toEqual(['1'])
    await collect(NOW)
    expect(await images.tags(repository, never)).toEqual([])
    const there = await Promise.all(manifest.layers.map(({ digest }) => images.mountAnyBlob('x', digest, never)))
    expect(there).toEqual([true, true, false])
  })
})
