import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Descriptor, MEDIA_TYPES } from '../model/descriptor.ts'
import { systemClock } from '../os/system-clock.ts'
import { registryClient } from './client/registry-client.ts'
import type { ContentStore } from './content-store.ts'
import { copyImage } from './copy-image.ts'
import { readImage } from './read-image.ts'
import { aBlob, aDiskStore, anImage, aRegistry, never, putBlob } from './testing.ts'

const AMD = { os: 'linux', architecture: 'amd64' }
const ARM = { os: 'linux', architecture: 'arm64', variant: 'v8' }
type Disk = Awaited<ReturnType<typeof aDiskStore>>
let one: Disk
let other: Disk
beforeEach(async () => {
  one = await aDiskStore()
  other = await aDiskStore()
})
afterEach(async () => {
  await one[Symbol.asyncDispose]()
  await other[Symbol.asyncDispose]()
})

async function anIndex(store: ContentStore, manifests: readonly object[], tag: string): Promise<Descriptor> {
  const mediaType = MEDIA_TYPES.imageIndex
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
  return store.writeManifest('shop', { mediaType, bytes }, [tag], never)
}

/** An index for two platforms that share a layer, with an attestation. */
async function twoPlatforms(store: ContentStore) {
  const shared = randomBytes(50_000)
  const amd = await anImage(store, 'shop', { platform: AMD, layers: [shared, randomBytes(100)] })
  const arm = await anImage(store, 'shop', { platform: ARM, layers: [shared, randomBytes(100)] })
  const attestation = await anImage(store, 'shop', { layers: [] })
  const unknown = { os: 'unknown', architecture: 'unknown' }
  const index = await anIndex(
    store,
    [
      { ...attestation.descriptor, platform: unknown },
      { ...arm.descriptor, platform: ARM },
      { ...amd.descriptor, platform: AMD },
    ],
    'multi',
  )
  return { amd, arm, index }
}

const copy = (reference: string, platform: typeof AMD | null, tags = ['copied']) =>
  copyImage(
    {
      from: { store: one.store, repository: 'shop', reference },
      to: { store: other.store, repository: 'lib/shop', tags },
      platform,
    },
    never,
  )

describe('copying an image', () => {
  it('sends each blob once, and nothing the second time', async () => {
    const { descriptor, layers, configBlob } = await anImage(one.store, 'shop', { tags: ['v1'] })
    const bytes = [configBlob, ...layers].reduce((sum, { size }) => sum + size, 0)
    expect(await copy('v1', AMD)).toMatchObject({ descriptor: { digest: descriptor.digest }, sentBytes: bytes })
    expect(await copy('v1', AMD)).toMatchObject({ sentBytes: 0 })
    expect((await readImage(other.store, 'lib/shop', 'copied', AMD, never)).descriptor.digest).toBe(descriptor.digest)
  })

  it('takes only the image of the platform out of an index', async () => {
    const { arm } = await twoPlatforms(one.store)
    expect((await copy('multi', ARM)).descriptor.digest).toBe(arm.descriptor.digest)
    const tagged = await other.store.readManifest('lib/shop', 'copied', never)
    expect(tagged?.descriptor.digest).toBe(arm.descriptor.digest)
  })

  it('takes the whole index with all that it names', async () => {
    const { amd, arm, index } = await twoPlatforms(one.store)
    expect((await copy('multi', null)).descriptor.digest).toBe(index.digest)
    for (const [platform, { descriptor }] of [[AMD, amd] as const, [ARM, arm] as const]) {
      const image = await readImage(other.store, 'lib/shop', 'copied', platform, never)
      expect(image.descriptor.digest).toBe(descriptor.digest)
    }
  })

  it('mounts inside one store in place of sending', async () => {
    await anImage(one.store, 'shop', { tags: ['v1'] })
    const from = { store: one.store, repository: 'shop', reference: 'v1' }
    const to = { store: one.store, repository: 'release/shop', tags: ['r1'] }
    expect(await copyImage({ from, to, platform: null }, never)).toMatchObject({ sentBytes: 0 })
    await readImage(one.store, 'release/shop', 'r1', AMD, never)
  })

  it('works from a registry to a store', async () => {
    await using registry = await aRegistry()
    const { descriptor } = await anImage(registry.store, 'shop', { tags: ['v1'], docker: true })
    const store = registryClient({ host: registry.host, clock: systemClock })
    const from = { store, repository: 'shop', reference: 'v1' }
    await copyImage({ from, to: { store: other.store, repository: 'shop', tags: ['v1'] }, platform: AMD }, never)
    expect((await readImage(other.store, 'shop', 'v1', AMD, never)).descriptor.digest).toBe(descriptor.digest)
    store.close()
  })

  it('has ended all its writing when it tells a failure', async () => {
    await anImage(one.store, 'shop', {
      tags: ['v1'],
      layers: [randomBytes(1000), randomBytes(1000), randomBytes(1000)],
    })
    let writing = 0
    let count = 0
    const failing: ContentStore = Object.assign(Object.create(other.store) as ContentStore, {
      async writeBlob(...args: Parameters<ContentStore['writeBlob']>) {
        writing++
        try {
          if (count++ === 0) throw new Error('no more')
          return await other.store.writeBlob(...args)
        } finally {
          await new Promise((resolve) => setImmediate(resolve))
          writing--
        }
      },
    })
    const from = { store: one.store, repository: 'shop', reference: 'v1' }
    const to = { store: failing, repository: 'shop', tags: ['v1'] }
    await expect(copyImage({ from, to, platform: null }, never)).rejects.toThrow('no more')
    expect(writing).toBe(0)
  })

  it('tells what is missing', async () => {
    await expect(copy('nope', AMD)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
    await twoPlatforms(one.store)
    await expect(copy('multi', { os: 'linux', architecture: 's390x' })).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
      hint: expect.stringMatching(/linux\/arm64\/v8, linux\/amd64/),
    })
  })

  it('A7: does not follow indexes that lie deep in one another', async () => {
    let inner = (await anImage(one.store, 'shop')).descriptor
    for (let depth = 0; depth < 7; depth++) inner = await anIndex(one.store, [{ ...inner, platform: AMD }], `d${depth}`)
    await expect(copy('d6', null)).rejects.toMatchObject({ code: 'IMAGE_INVALID' })
    await expect(copy('d6', AMD)).rejects.toMatchObject({ code: 'IMAGE_INVALID' })
    await copy('d1', AMD)
  })
})

describe('reading an image', () => {
  const withConfig = async (config: unknown, layers = 1) => {
    const { manifest } = await anImage(one.store, 'shop', {
      layers: Array.from({ length: layers }, () => randomBytes(10)),
    })
    const blob = await putBlob(
      one.store,
      'shop',
      Buffer.from(typeof config === 'string' ? config : JSON.stringify(config)),
    )
    const bytes = Buffer.from(JSON.stringify({ ...manifest, config: { mediaType: MEDIA_TYPES.imageConfig, ...blob } }))
    await one.store.writeManifest('shop', { mediaType: manifest.mediaType, bytes }, ['made'], never)
    return readImage(one.store, 'shop', 'made', AMD, never)
  }
  const { digest } = aBlob()
  const good = { ...AMD, rootfs: { type: 'layers', diff_ids: [digest] } }

  it('gives its settings, without what is null', async () => {
    const config = { Env: ['A=1'], Entrypoint: null, Cmd: ['/x'], Labels: null, WorkingDir: '/w' }
    const image = await withConfig({ ...good, config, history: [{ created_by: 'x', empty_layer: true }] })
    expect(image.config).toEqual({
      ...good,
      config: { Env: ['A=1'], Cmd: ['/x'], WorkingDir: '/w' },
      history: [{ created_by: 'x', empty_layer: true }],
    })
    expect(image.manifest.layers).toHaveLength(1)
  })

  it.each([
    ['no JSON', 'x'],
    ['no object', '[]'],
    ['no architecture', { os: 'linux', rootfs: good.rootfs }],
    ['no rootfs', AMD],
    ['fewer diff ids than layers', { ...AMD, rootfs: { type: 'layers', diff_ids: [] } }],
    ['a diff id that is a path', { ...AMD, rootfs: { type: 'layers', diff_ids: ['../../x'] } }],
    ['Env that is no list', { ...good, config: { Env: 'A=1' } }],
    ['a Cmd with a number in it', { ...good, config: { Cmd: ['a', 1] } }],
    ['a User that is an object', { ...good, config: { User: {} } }],
    ['a health check without a list', { ...good, config: { Healthcheck: { Test: 'x' } } }],
  ])('with %s: IMAGE_INVALID', async (_, config) => {
    await expect(withConfig(config)).rejects.toMatchObject({ code: 'IMAGE_INVALID' })
  })

  it('A8: takes __proto__ for a key like any other', async () => {
    const image = await withConfig(
      `{"__proto__":{"polluted":1},"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["${digest}"]}}`,
    )
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
    expect((image.config as { polluted?: number }).polluted).toBeUndefined()
  })
})
