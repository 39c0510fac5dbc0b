import { once } from 'node:events'
import { appendFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import http, { type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { systemClock } from '../../os/system-clock.ts'
import { registryClient } from '../client/registry-client.ts'
import { aBlob, aDiskStore, anImage, aRegistry, bytesOf, never, putBlob } from '../testing.ts'

const pathOf = (root: string, digest: string) => join(root, 'blobs', 'sha256', digest.slice(7, 9), digest.slice(7))

async function flip(path: string, position: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[position] = (bytes[position] ?? 0) ^ 1
  await writeFile(path, bytes)
}

const DAMAGES = [
  ['one bit of the first byte', (path: string) => flip(path, 0)],
  ['one bit in the middle', (path: string) => flip(path, 500_000)],
  ['one bit of the last byte', (path: string) => flip(path, 999_999)],
  ['a lost last byte', (path: string) => truncate(path, 999_999)],
  ['nothing left of it', (path: string) => truncate(path, 0)],
  ['bytes after its end', (path: string) => appendFile(path, 'more')],
] as const

it.each(DAMAGES)(
  'F15: a blob with %s is never read to its end, is set aside, and can be written again',
  async (_, damage) => {
    await using disk = await aDiskStore()
    const { store, root } = disk
    const { bytes, digest, size } = aBlob(1_000_000)
    await putBlob(store, 'shop', bytes)
    await damage(pathOf(root, digest))
    let received = 0
    const read = async () => {
      for await (const piece of await store.readBlob('shop', digest, never)) received += (piece as Buffer).length
    }
    await expect(read()).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    expect(received).toBeLessThan(size)
    expect(await store.statBlob('shop', digest, never)).toBeNull()
    expect(await readdir(join(root, 'quarantine'))).toHaveLength(1)
    await putBlob(store, 'shop', bytes)
    expect((await bytesOf(await store.readBlob('shop', digest, never))).equals(bytes)).toBe(true)
  },
)

it('F15: a layer that is cut short is missing to whoever pushes its image, who sends it again; one of another size is his mistake', async () => {
  await using disk = await aDiskStore()
  const { store, root } = disk
  const { bytes, descriptor, layers, manifest } = await anImage(store, 'shop', {
    layers: [Buffer.alloc(5000, 'layer')],
  })
  const { digest = '', size = 0 } = layers[0] ?? {}
  const { mediaType } = descriptor
  const wrong = { ...manifest, layers: manifest.layers.map((layer) => ({ ...layer, size: size - 1 })) }
  const put = (body: Buffer) => store.writeManifest('shop', { mediaType, bytes: body }, ['v1'], never)
  await expect(put(Buffer.from(JSON.stringify(wrong)))).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
  expect(await store.statBlob('shop', digest, never)).toBe(size)
  await truncate(pathOf(root, digest), size - 1)
  await expect(put(bytes)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' })
  expect(await store.statBlob('shop', digest, never)).toBeNull()
  await putBlob(store, 'shop', gzipSync(Buffer.alloc(5000, 'layer')))
  expect((await put(bytes)).digest).toBe(descriptor.digest)
})

it('F15: a damaged manifest is refused and set aside', async () => {
  await using disk = await aDiskStore()
  const { store, root } = disk
  const { descriptor, bytes } = await anImage(store, 'shop', { tags: ['v1'] })
  await flip(pathOf(root, descriptor.digest), 20)
  await expect(store.readManifest('shop', 'v1', never)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
  expect(await store.readManifest('shop', 'v1', never)).toBeNull()
  await store.writeManifest('shop', { mediaType: descriptor.mediaType, bytes }, ['v1'], never)
  expect((await store.readManifest('shop', 'v1', never))?.descriptor.digest).toBe(descriptor.digest)
})

it('F15: a damaged blob over HTTP is a clean error when it is small, and a broken connection when it is not', async () => {
  await using registry = await aRegistry()
  const { store, root, host } = registry
  const small = await putBlob(store, 'shop', aBlob(5000).bytes)
  const large = await putBlob(store, 'shop', aBlob(3_000_000).bytes)
  await flip(pathOf(root, small.digest), 100)
  await flip(pathOf(root, large.digest), 2_999_999)
  const get = async (digest: string, headers = {}) => {
    const [answer] = (await once(http.get(`http://${host}/v2/shop/blobs/${digest}`, { headers }), 'response')) as [
      IncomingMessage,
    ]
    return { status: answer.statusCode, body: bytesOf(answer) }
  }
  const first = await get(small.digest)
  expect(first.status).toBe(404)
  expect(JSON.parse(String(await first.body))).toMatchObject({ errors: [{ code: 'BLOB_UNKNOWN' }] })
  await expect((await get(large.digest)).body).rejects.toThrow(/aborted/)
  expect((await get(large.digest)).status).toBe(404)
})

it('F15: a range of a damaged blob is not served, wherever the damage is', async () => {
  await using registry = await aRegistry()
  const { store, root, host } = registry
  const { digest } = await putBlob(store, 'shop', aBlob(1_000_000).bytes)
  await flip(pathOf(root, digest), 10)
  const [answer] = (await once(
    http.get(`http://${host}/v2/shop/blobs/${digest}`, { headers: { Range: 'bytes=900000-900009' } }),
    'response',
  )) as [IncomingMessage]
  answer.resume()
  expect(answer.statusCode).toBe(404)
})

it('F15: the client never hands on a blob that its registry has damaged', async () => {
  await using registry = await aRegistry()
  const { digest } = await putBlob(registry.store, 'shop', aBlob(3_000_000).bytes)
  await flip(pathOf(registry.root, digest), 1_500_000)
  const client = registryClient({ host: registry.host, clock: systemClock, tries: 2 })
  const read = async () => bytesOf(await client.readBlob('shop', digest, never))
  await expect(read()).rejects.toMatchObject({ name: 'DeployError' })
  client.close()
})
