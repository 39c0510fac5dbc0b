import { randomBytes } from 'node:crypto'
import { rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { Clock } from '../../lib/clock.ts'
import { MEDIA_TYPES } from '../../model/descriptor.ts'
import { systemClock } from '../../os/system-clock.ts'
import { aGuardedRegistry } from '../access/testing.ts'
import { registryClient } from '../client/registry-client.ts'
import { digestOf } from '../digest.ts'
import type { ContentStore, RemoteStore } from '../content-store.ts'
import { DiskStore } from '../disk/disk-store.ts'
import { aTmpfs, mayMount } from '../disk/testing-tmpfs.ts'
import { Quota, type QuotaLimits } from '../server/quota.ts'
import { aBlob, aDiskStore, anImage, aRegistry, never, putBlob, serving } from '../testing.ts'
import { PullThrough } from './pull-through.ts'

const FRESH_MS = 60_000

type Disk = Pick<Awaited<ReturnType<typeof aDiskStore>>, 'store' | typeof Symbol.asyncDispose>

/** A registry that is a cache of another one below `hub/`, and whose time can be put forward. */
async function aCache(open: () => RemoteStore, patienceMs = 30_000, limits: QuotaLimits | null = null, given?: Disk) {
  const disk = given ?? (await aDiskStore())
  const told: unknown[] = []
  const quota = limits === null ? null : new Quota(disk.store, limits)
  let ahead = 0
  const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + ahead }
  const of = [{ prefix: 'hub/', registry: 'hub.example.com' }]
  const cache = new PullThrough({
    store: disk.store,
    quota,
    of,
    open: async () => open(),
    clock,
    freshMs: FRESH_MS,
    patienceMs,
    full: (reason) => told.push(reason),
  })
  const server = await serving(disk.store, { cache })
  return {
    store: disk.store,
    told,
    get: (path: string, init: RequestInit = {}) => fetch(`http://${server.host}/v2/${path}`, init),
    later: () => {
      ahead += FRESH_MS
    },
    async [Symbol.asyncDispose]() {
      await cache.close()
      await server[Symbol.asyncDispose]()
      await disk[Symbol.asyncDispose]()
    },
  }
}

const clientOf = (host: string): RemoteStore => registryClient({ host, clock: systemClock, tries: 1 })
/** A client whose next question goes to whatever registry there is then. */
const clientOfWhichever = (host: () => string): RemoteStore =>
  new Proxy(clientOf(host()), {
    get: (_, name) => {
      const client = clientOf(host())
      const found: unknown = Reflect.get(client, name)
      return typeof found === 'function' ? found.bind(client) : found
    },
  })
/** The first error of an answer. */
const errorIn = async (answer: Response) =>
  ((await answer.json()) as { errors: { code: string; message: string }[] }).errors[0]
const digestIn = (answer: Response) => answer.headers.get('docker-content-digest')

it('fetches what is asked for once, and has it then', async () => {
  await using hub = await aRegistry()
  const image = await anImage(hub.store, 'team/shop', { tags: ['v1'] })
  await using cached = await aCache(() => clientOf(hub.host))
  expect((await cached.get('hub/team/shop/manifests/v1', { method: 'HEAD' })).status).toBe(200)
  const manifest = await cached.get('hub/team/shop/manifests/v1')
  expect(Buffer.from(await manifest.arrayBuffer()).equals(image.bytes)).toBe(true)
  expect(manifest.headers.get('warning')).toBeNull()
  for (const { digest, size } of [image.configBlob, ...image.layers]) {
    const head = await cached.get(`hub/team/shop/blobs/${digest}`, { method: 'HEAD' })
    expect(head.headers.get('content-length')).toBe(String(size))
    const blob = await cached.get(`hub/team/shop/blobs/${digest}`)
    expect((await blob.arrayBuffer()).byteLength).toBe(size)
    await expect.poll(() => cached.store.statBlob('hub/team/shop', digest, never), { timeout: 20_000 }).toBe(size)
  }
  expect((await cached.get('hub/team/shop/manifests/v2')).status).toBe(404)
  expect((await cached.get(`hub/team/shop/blobs/${aBlob().digest}`)).status).toBe(404)
  expect((await cached.get('other/shop/manifests/v1')).status).toBe(404)
})

it('asks for a tag again when its time is over: it moves and goes as it does there', async () => {
  await using hub = await aRegistry()
  const old = await anImage(hub.store, 'shop', { tags: ['v1'] })
  await using cached = await aCache(() => clientOf(hub.host))
  const tagged = async () => digestIn(await cached.get('hub/shop/manifests/v1', { method: 'HEAD' }))
  expect(await tagged()).toBe(old.descriptor.digest)
  const moved = await anImage(hub.store, 'shop', { tags: ['v1'] })
  expect(await tagged()).toBe(old.descriptor.digest)
  cached.later()
  expect(await tagged()).toBe(moved.descriptor.digest)
  await hub.store.deleteManifest('shop', 'v1', never)
  cached.later()
  expect((await cached.get('hub/shop/manifests/v1')).status).toBe(404)
  expect(await cached.store.tags('hub/shop', never)).toEqual([])
})

it('answers with the earlier copy and a warning while the other registry is away, and without one when it is back', async () => {
  await using hub = await aRegistry()
  const { descriptor, layers } = await anImage(hub.store, 'shop', { tags: ['v1'] })
  let host = hub.host
  await using cached = await aCache(() => clientOfWhichever(() => host))
  await cached.get('hub/shop/manifests/v1')
  host = '127.0.0.1:1'
  expect((await cached.get('hub/shop/manifests/v1')).headers.get('warning')).toBeNull()
  cached.later()
  for (let n = 0; n < 2; n++) {
    const stale = await cached.get('hub/shop/manifests/v1')
    expect(digestIn(stale)).toBe(descriptor.digest)
    expect(stale.headers.get('warning')).toMatch(
      /^299 - "the registry 127\.0\.0\.1:1 cannot be reached.*taken before"$/,
    )
  }
  const absent = await cached.get(`hub/shop/blobs/${layers[0]?.digest}`)
  expect([absent.status, (await errorIn(absent))?.code]).toEqual([502, 'UNKNOWN'])
  expect((await cached.get('hub/shop/manifests/v2')).status).toBe(502)
  host = hub.host
  cached.later()
  expect((await cached.get('hub/shop/manifests/v1')).headers.get('warning')).toBeNull()
})

it('lists the tags of a copy as its registry does, and those that are here while that is away', async () => {
  await using hub = await aRegistry()
  await anImage(hub.store, 'shop', { tags: ['v1', 'v2', 'v3'] })
  let host = hub.host
  await using cached = await aCache(() => clientOfWhichever(() => host))
  const tags = async (repository: string) => {
    const answer = await cached.get(`hub/${repository}/tags/list?n=2`)
    return [answer.status, ((await answer.json()) as { tags?: string[] }).tags, answer.headers.has('warning')]
  }
  expect(await tags('shop')).toEqual([200, ['v1', 'v2'], false])
  expect((await tags('nothing'))[0]).toBe(404)
  await cached.get('hub/shop/manifests/v3')
  host = '127.0.0.1:1'
  expect(await tags('shop')).toEqual([200, ['v3'], true])
})

it('lists what refers to a copy as its registry does, and what is here of it while that is away', async () => {
  await using hub = await aRegistry()
  const { descriptor, manifest } = await anImage(hub.store, 'shop', { tags: ['v1'] })
  const signatures: string[] = []
  for (const artifactType of ['application/x-signature', 'application/x-signature', 'application/x-sbom']) {
    const annotations = { n: String(signatures.length) }
    const bytes = Buffer.from(JSON.stringify({ ...manifest, subject: descriptor, artifactType, annotations }))
    const put = { mediaType: descriptor.mediaType, bytes }
    signatures.push((await hub.store.writeManifest('shop', put, [], never)).digest)
  }
  let host = hub.host
  await using cached = await aCache(() => clientOfWhichever(() => host))
  const list = async (query = '') => {
    const answer = await cached.get(`hub/shop/referrers/${descriptor.digest}${query}`)
    const { manifests } = (await answer.json()) as { manifests: { digest: string }[] }
    return { digests: manifests.map(({ digest }) => digest), warning: answer.headers.get('warning') }
  }
  expect(await list()).toEqual({ digests: signatures.toSorted(), warning: null })
  expect((await list('?artifactType=application/x-sbom')).digests).toEqual(signatures.slice(2))
  expect((await cached.get(`hub/shop/manifests/${signatures[0]}`)).status).toBe(200)
  host = '127.0.0.1:1'
  const away = await list()
  expect(away.digests).toEqual(signatures.slice(0, 1))
  expect(away.warning).toContain('cannot be reached')
})

it('lets nobody wait for a registry that says nothing, where an earlier copy is here', async () => {
  await using hub = await aRegistry()
  const { descriptor } = await anImage(hub.store, 'shop', { tags: ['v1'] })
  const client = clientOf(hub.host)
  let isSilent = false
  const there = new Proxy(client, {
    get: (_, name) => {
      if (name === 'resolveTag' && isSilent) return () => new Promise(() => {})
      const found: unknown = Reflect.get(client, name)
      return typeof found === 'function' ? found.bind(client) : found
    },
  })
  await using cached = await aCache(() => there, 50)
  await cached.get('hub/shop/manifests/v1')
  isSilent = true
  cached.later()
  const stale = await cached.get('hub/shop/manifests/v1')
  expect(digestIn(stale)).toBe(descriptor.digest)
  expect(stale.headers.get('warning')).toContain('did not answer within 50 ms')
})

/** A store whose blobs come as `readBlob` says. */
const withBlobs = (store: ContentStore, readBlob: ContentStore['readBlob']): RemoteStore =>
  new Proxy(store, {
    get: (target, name) => {
      if (name === 'readBlob') return readBlob
      if (name === 'close') return () => {}
      const found: unknown = Reflect.get(target, name)
      return typeof found === 'function' ? found.bind(target) : found
    },
  }) as RemoteStore

it('fetches a blob once for all who ask at the same time, and sends them what has come while the rest is coming', async () => {
  await using hub = await aDiskStore()
  const { bytes, digest } = aBlob(3_000_000)
  await putBlob(hub.store, 'shop', bytes)
  let reads = 0
  const gate = Promise.withResolvers<void>()
  const slow = withBlobs(hub.store, async () => {
    reads++
    return Readable.from(
      (async function* () {
        yield bytes.subarray(0, 2_000_000)
        await gate.promise
        yield bytes.subarray(2_000_000)
      })(),
      { objectMode: false },
    )
  })
  await using cached = await aCache(() => slow)
  const answers = await Promise.all(Array.from({ length: 5 }, () => cached.get(`hub/shop/blobs/${digest}`)))
  const readers = answers.map((answer) => (answer.body as ReadableStream<Uint8Array>).getReader())
  const firsts = await Promise.all(readers.map((reader) => reader.read()))
  for (const { value } of firsts) expect(value?.length).toBeGreaterThan(0)
  // One goes away; the others get all of it.
  await readers.pop()?.cancel()
  gate.resolve()
  for (const [at, reader] of readers.entries()) {
    const pieces = [firsts[at]?.value ?? new Uint8Array()]
    for (let read = await reader.read(); !read.done; read = await reader.read()) pieces.push(read.value)
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true)
  }
  expect(reads).toBe(1)
  const part = await cached.get(`hub/shop/blobs/${digest}`, { headers: { Range: 'bytes=10-19' } })
  expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(10, 20))).toBe(true)
})

it('never gives or keeps a blob whose bytes are wrong', async () => {
  await using hub = await aDiskStore()
  const { bytes, digest } = aBlob(3_000_000)
  await putBlob(hub.store, 'shop', bytes)
  const wrong = Buffer.from(bytes)
  wrong[2_999_999] = (wrong[2_999_999] ?? 0) ^ 1
  await using cached = await aCache(() =>
    withBlobs(hub.store, async () => Readable.from([wrong.subarray(0, 1_500_000)], { objectMode: false })),
  )
  await expect(cached.get(`hub/shop/blobs/${digest}`).then((answer) => answer.arrayBuffer())).rejects.toThrow()
  expect(await cached.store.statBlob('hub/shop', digest, never)).toBeNull()
})

it('takes no pushes to what is a copy, and lets copies be deleted', async () => {
  await using hub = await aRegistry()
  const { bytes, descriptor } = await anImage(hub.store, 'shop', { tags: ['v1'] })
  await using cached = await aCache(() => clientOf(hub.host))
  const headers = { 'Content-Type': MEDIA_TYPES.imageManifest }
  const put = await cached.get('hub/shop/manifests/v1', { method: 'PUT', body: bytes, headers })
  expect([put.status, (await errorIn(put))?.message]).toEqual([405, 'this is a cache of hub.example.com: push there'])
  expect((await cached.get('hub/shop/blobs/uploads/', { method: 'POST' })).status).toBe(405)
  expect((await cached.get('own/blobs/uploads/', { method: 'POST' })).status).toBe(202)
  await cached.get('hub/shop/manifests/v1')
  const gone = await cached.get(`hub/shop/manifests/${descriptor.digest}`, { method: 'DELETE' })
  expect(gone.status).toBe(202)
})

it('logs in to the other registry with a login of its own, which its clients neither need nor see', async () => {
  const hub = await aGuardedRegistry()
  const { store, change } = hub
  const { descriptor } = await anImage(store, 'shop', { tags: ['v1'] })
  const password = await change.addRobot('cache', [{ repositories: '**', actions: ['pull'] }], null)
  const credentials = async () => ({ kind: 'password', username: 'cache', password }) as const
  await using cached = await aCache(() => registryClient({ host: hub.host, clock: systemClock, tries: 1, credentials }))
  expect(digestIn(await cached.get('hub/shop/manifests/v1'))).toBe(descriptor.digest)
  await change.remove('robot', 'cache')
  await hub[Symbol.asyncDispose]()
})

describe('a quota', () => {
  const pulled = async (cached: Awaited<ReturnType<typeof aCache>>, image: Awaited<ReturnType<typeof anImage>>) => {
    const manifest = await cached.get('hub/team/shop/manifests/v1')
    expect(Buffer.from(await manifest.arrayBuffer()).equals(image.bytes)).toBe(true)
    for (const { digest } of [image.configBlob, ...image.layers]) {
      const blob = await cached.get(`hub/team/shop/blobs/${digest}`)
      expect(digestOf(Buffer.from(await blob.arrayBuffer()))).toBe(digest)
    }
  }

  it.each([
    ['the small parts', 10_000, true],
    ['nothing', 100, false],
  ])('keeps of an image what there is room for (%s), and hands on the rest each time', async (_, whole, isSome) => {
    await using hub = await aRegistry()
    const image = await anImage(hub.store, 'team/shop', { tags: ['v1'] })
    await using cached = await aCache(() => clientOf(hub.host), 30_000, { repository: null, whole })
    const { store } = cached
    for (let n = 0; n < 2; n++) {
      await pulled(cached, image)
      cached.later()
    }
    const here = async () => {
      const sizes = [image.configBlob, ...image.layers].map(({ digest }) =>
        store.statBlob('hub/team/shop', digest, never),
      )
      return (await Promise.all(sizes)).filter((size) => size !== null).length
    }
    // Bytes go out before they are on the disk.
    await expect.poll(here, { timeout: 20_000 }).toBe(isSome ? 2 : 0)
    await expect.poll(() => store.uploads.openBytes(null), { timeout: 20_000 }).toBe(0)
    expect(await store.usage.whole()).toBeLessThanOrEqual(whole)
    // A tag only where it leads somewhere.
    expect(await store.tags('hub/team/shop', never)).toEqual(isSome ? ['v1'] : [])
    expect((await store.collectGarbage({ keep: new Set() }, never)).spared).toEqual([])
  })

  it('has the whole sent to whoever asks for a part of what is not kept', async () => {
    await using hub = await aRegistry()
    const { digest, bytes } = aBlob(70_000)
    await putBlob(hub.store, 'team/shop', bytes)
    await using cached = await aCache(() => clientOf(hub.host), 30_000, { repository: 10_000, whole: null })
    const part = await cached.get(`hub/team/shop/blobs/${digest}`, { headers: { Range: 'bytes=10-19' } })
    expect(part.status).toBe(200)
    expect(Buffer.from(await part.arrayBuffer()).equals(bytes)).toBe(true)
  })
})

describe.skipIf(!mayMount())('F6: a full disk (needs root to mount a small tmpfs)', () => {
  it('is told, and pulls go on, straight from the other registry, until there is room again', async () => {
    using small = aTmpfs('size=4m')
    const root = small?.path ?? ''
    const store = await DiskStore.open(join(root, 'registry'), systemClock)
    await using hub = await aRegistry()
    const image = await anImage(hub.store, 'team/shop', { tags: ['v1'], layers: [randomBytes(3_000_000)] })
    const disk = { store, [Symbol.asyncDispose]: () => store.close() }
    await using cached = await aCache(() => clientOf(hub.host), 30_000, null, disk)
    const filler = join(root, 'filler')
    const { bavail, bsize } = await statfs(root)
    await writeFile(filler, Buffer.alloc((bavail - 1) * bsize))
    const pulled = async () => {
      const manifest = await cached.get('hub/team/shop/manifests/v1')
      expect(Buffer.from(await manifest.arrayBuffer()).equals(image.bytes)).toBe(true)
      for (const { digest } of [image.configBlob, ...image.layers]) {
        const blob = await cached.get(`hub/team/shop/blobs/${digest}`)
        expect(digestOf(Buffer.from(await blob.arrayBuffer()))).toBe(digest)
      }
    }
    for (let n = 0; n < 2; n++) await pulled()
    expect(cached.told[0]).toMatchObject({ code: 'DISK_FULL' })
    expect(store.uploads.openBytes(null)).toBe(0)
    await rm(filler)
    cached.later()
    await pulled()
    const isHere = async () => (await store.statBlob('hub/team/shop', image.layers[0]?.digest ?? '', never)) !== null
    await expect.poll(isHere, { timeout: 20_000 }).toBe(true)
    expect(await store.tags('hub/team/shop', never)).toEqual(['v1'])
  })
})
