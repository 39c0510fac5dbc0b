import { expect, it } from 'vitest'
import { MEDIA_TYPES } from '../../model/descriptor.ts'
import { aBlob, anImage, aRegistry, never, putBlob } from '../testing.ts'

type Registry = Awaited<ReturnType<typeof aRegistry>>

const push = async ({ host }: Registry, repository: string, { bytes, digest }: ReturnType<typeof aBlob>) => {
  const query = `?digest=${digest}`
  return fetch(`http://${host}/v2/${repository}/blobs/uploads/${query}`, {
    method: 'POST',
    body: new Uint8Array(bytes),
  })
}
const refusal = async (answer: Response) => {
  const { errors } = (await answer.json()) as { errors: { code: string; message: string }[] }
  return [answer.status, errors[0]?.code, errors[0]?.message]
}

it('refuses with numbers what a repository may not have any more, and takes it after a deletion', async () => {
  await using registry = await aRegistry({ quota: { repository: 10_000, whole: null } })
  const [first, second] = [aBlob(6000), aBlob(6000)]
  expect((await push(registry, 'shop', first)).status).toBe(201)
  expect(await refusal(await push(registry, 'shop', second))).toEqual([
    413,
    'DENIED',
    'shop may have 10000 bytes and has 6000: there is no room for 6000 more',
  ])
  expect((await push(registry, 'shop', first)).status).toBe(201)
  expect((await push(registry, 'blog', second)).status).toBe(201)
  await registry.store.deleteBlob('shop', first.digest, never)
  expect((await push(registry, 'shop', second)).status).toBe(201)
})

it('refuses what all may not have any more, counts each content once, and takes it after a collection', async () => {
  await using registry = await aRegistry({ quota: { repository: null, whole: 10_000 } })
  const [first, second] = [aBlob(6000), aBlob(6000)]
  expect((await push(registry, 'shop', first)).status).toBe(201)
  const mount = `http://${registry.host}/v2/blog/blobs/uploads/?mount=${first.digest}&from=shop`
  expect((await fetch(mount, { method: 'POST' })).status).toBe(201)
  expect(await refusal(await push(registry, 'shop', second))).toEqual([
    413,
    'DENIED',
    'this registry may have 10000 bytes and has 6000: there is no room for 6000 more',
  ])
  for (const repository of ['shop', 'blog']) await registry.store.deleteBlob(repository, first.digest, never)
  await registry.store.collectGarbage({ keep: new Set(), graceMs: -10_000 }, never)
  expect((await push(registry, 'shop', second)).status).toBe(201)
})

it('lets no more pass when several push at once, said or not how much', async () => {
  await using registry = await aRegistry({ quota: { repository: 10_000, whole: null } })
  const answers = await Promise.all(Array.from({ length: 6 }, () => push(registry, 'shop', aBlob(4000))))
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 413, 413, 413, 413])
  const begun = await fetch(`http://${registry.host}/v2/shop/blobs/uploads/`, { method: 'POST' })
  const body = new ReadableStream({
    start(stream) {
      for (let n = 0; n < 5; n++) stream.enqueue(new Uint8Array(1000))
      stream.close()
    },
  })
  const path = `http://${registry.host}${begun.headers.get('location')}`
  const unsaid = await fetch(path, { method: 'PATCH', body, duplex: 'half' } as RequestInit)
  expect((await refusal(unsaid)).slice(0, 2)).toEqual([413, 'DENIED'])
})

it('holds mounts and manifests to it as well', async () => {
  await using registry = await aRegistry({ quota: { repository: 10_000, whole: null } })
  const { store, host } = registry
  const big = await putBlob(store, 'base', aBlob(9000).bytes)
  const own = await putBlob(store, 'shop', aBlob(9000).bytes)
  const mount = await fetch(`http://${host}/v2/shop/blobs/uploads/?mount=${big.digest}&from=base`, { method: 'POST' })
  expect(mount.status).toBe(413)
  expect(await store.statBlob('shop', big.digest, never)).toBeNull()
  expect(await store.statBlob('shop', own.digest, never)).toBe(9000)
  const { manifest } = await anImage(store, 'other', { layers: [] })
  const annotations = { note: 'x'.repeat(10_000) }
  const body = JSON.stringify({ ...manifest, annotations })
  const headers = { 'Content-Type': MEDIA_TYPES.imageManifest }
  const put = await fetch(`http://${host}/v2/other/manifests/v1`, { method: 'PUT', body, headers })
  expect((await refusal(put)).slice(0, 2)).toEqual([413, 'DENIED'])
})

it('forgets the bytes of a push that it refused, so that one that fits is taken after it', async () => {
  await using registry = await aRegistry({ quota: { repository: 10_000, whole: null } })
  const upload = async () => {
    const begun = await fetch(`http://${registry.host}/v2/shop/blobs/uploads/`, { method: 'POST' })
    return `http://${registry.host}${begun.headers.get('location')}`
  }
  const send = async (url: string, bytes: Buffer) => {
    const body = new ReadableStream({
      start: (stream) => {
        for (let at = 0; at < bytes.length; at += 4000) stream.enqueue(new Uint8Array(bytes.subarray(at, at + 4000)))
        stream.close()
      },
    })
    return fetch(url, { method: 'PATCH', body, duplex: 'half' })
  }
  const first = await upload()
  expect(await refusal(await send(first, aBlob(12_000).bytes))).toEqual([
    413,
    'DENIED',
    'shop may have 10000 bytes and has 0: there is no room for 10001 more',
  ])
  expect((await fetch(first)).status).toBe(404)
  const second = await upload()
  expect((await send(second, aBlob(6000).bytes)).status).toBe(202)
  expect(await refusal(await send(await upload(), aBlob(6000).bytes))).toEqual([
    413,
    'DENIED',
    'shop may have 10000 bytes and has 0, 6000 more are on their way: there is no room for 4001 more',
  ])
  expect((await push(registry, 'shop', aBlob(4000))).status).toBe(201)
})
