import { once } from 'node:events'
import { readdir, readFile, utimes } from 'node:fs/promises'
import http, { type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MEDIA_TYPES } from '../../model/descriptor.ts'
import { isRepository } from '../../model/reference.ts'
import { digestOf } from '../digest.ts'
import { MAX_MANIFEST_BYTES } from '../parse-manifest.ts'
import { aBlob, anImage, aRegistry, bytesOf, never, putBlob } from '../testing.ts'

type Registry = Awaited<ReturnType<typeof aRegistry>>
let registry: Registry
beforeAll(async () => {
  registry = await aRegistry({ limits: { maxBlobBytes: 4_000_000 } })
})
afterAll(() => registry[Symbol.asyncDispose]())

interface Ask {
  readonly method?: string
  readonly path: string
  readonly headers?: Record<string, string | number>
  readonly body?: Uint8Array | string
}

/** One request; the path goes out as it is. */
async function ask({ method = 'GET', path, headers = {}, body }: Ask, host = registry.host) {
  const [hostname, port] = host.split(':')
  const sent = http.request({ hostname, port, method, path, headers, agent: false })
  sent.on('error', () => {})
  sent.end(body)
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  const text = String(await bytesOf(answer))
  const isJson = answer.headers['content-type']?.startsWith('application/json') === true && text !== ''
  const errors = isJson ? (JSON.parse(text) as { errors?: { code: string; message: string }[] }).errors : undefined
  return { status: answer.statusCode ?? 0, headers: answer.headers, text, code: errors?.[0]?.code }
}

describe('access', () => {
  it('is asked for by Basic, for every path, and given with the right token only', async () => {
    await using guarded = await aRegistry({ token: 's3cret' })
    for (const path of ['/v2/', '/v2', '/v2/shop/tags/list', '/v2/shop/blobs/uploads/', '/v2/_catalog']) {
      const refused = await ask({ path }, guarded.host)
      expect(refused).toMatchObject({ status: 401, code: 'UNAUTHORIZED' })
      expect(refused.headers['www-authenticate']).toMatch(/^Basic realm=/)
    }
    const login = (password: string) => ({ Authorization: `Basic ${btoa(`naru:${password}`)}` })
    expect((await ask({ path: '/v2/', headers: login('wrong') }, guarded.host)).status).toBe(401)
    expect((await ask({ path: '/v2/', headers: login('s3cret') }, guarded.host)).status).toBe(200)
  })
})

describe('A19: names, tags and digests that try to be paths', () => {
  const digest = aBlob().digest
  const bad = [
    '..',
    '../../etc',
    'a/../b',
    '.',
    'a//b',
    'A',
    'a/_blobs',
    '_uploads',
    'a/.b',
    '-a',
    'a'.repeat(256),
    'a\\b',
  ]
  const paths = bad.flatMap((name) => [
    `/v2/${name}/manifests/v1`,
    `/v2/${name}/blobs/${digest}`,
    `/v2/${name}/tags/list`,
  ])
  const others = [
    '/v2/a/manifests/..',
    '/v2/a/manifests/.v1',
    '/v2/a/manifests/%2e%2e%2f%2e%2e%2fpasswd',
    '/v2/%2e%2e/%2e%2e/manifests/v1',
    '/v2/a%2f..%2f..%2fb/manifests/v1',
    '/v2/a%00b/manifests/v1',
    '/v2/a/blobs/sha256:..%2f..%2fetc',
    '/v2/a/blobs/sha256:abc',
    `/v2/a/blobs/md5:${'a'.repeat(32)}`,
    `/v2/a/blobs/${digest.toUpperCase()}`,
    '/v2/a/blobs/uploads/..%2f..%2fx',
    '/v2/a/blobs/uploads/00000000-0000-0000-0000-000000000000',
    '/v2/%zz/manifests/v1',
    `/v2/a/manifests/${'x'.repeat(129)}`,
  ]
  it.each([...paths, ...others])('%s is refused', async (path) => {
    for (const [method, body] of [['GET'], ['PUT', '{}'], ['DELETE']] as const) {
      const answer = await ask({ method, path, ...(body === undefined ? {} : { body }) })
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(answer.status).toBeLessThan(500)
    }
  })

  it('leave no file anywhere', async () => {
    const names = await readdir(join(registry.root, 'repositories'))
    expect(names).toEqual([])
    expect((await readdir(registry.root)).sort()).toEqual(['blobs', 'quarantine', 'repositories', 'uploads'])
  })

  it('only what the grammar allows reaches the store, whatever is asked for', async () => {
    const part = fc.constantFrom(
      '..',
      '.',
      '/',
      'a',
      '_',
      '%2e',
      '%2f',
      '~',
      'blobs',
      'manifests',
      'uploads',
      'sha256:',
      '\\',
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 12 }),
        fc.constantFrom('GET', 'PUT', 'POST', 'DELETE'),
        async (parts, method) => {
          const answer = await ask({
            method,
            path: `/v2/${parts.join('')}`,
            ...(method === 'PUT' ? { body: 'x' } : {}),
          })
          expect(answer.status).toBeLessThan(500)
        },
      ),
      { numRuns: 150 },
    )
    for (const name of await registry.store.repositories()) expect(isRepository(name)).toBe(true)
    expect((await readdir(registry.root)).sort()).toEqual(['blobs', 'quarantine', 'repositories', 'uploads'])
  })
})

describe('uploads', () => {
  const begin = async () => (await ask({ method: 'POST', path: '/v2/up/load/blobs/uploads/' })).headers.location ?? ''

  it('come in chunks, in order, and know how far they are', async () => {
    const { bytes, digest } = aBlob(3000)
    const path = await begin()
    const chunk = (start: number, end: number) =>
      ask({
        method: 'PATCH',
        path,
        headers: { 'Content-Range': `${start}-${end - 1}` },
        body: bytes.subarray(start, end),
      })
    expect(await chunk(0, 1000)).toMatchObject({ status: 202, headers: { range: '0-999' } })
    expect(await chunk(2000, 3000)).toMatchObject({
      status: 416,
      code: 'BLOB_UPLOAD_INVALID',
      headers: { range: '0-999' },
    })
    expect(await ask({ path })).toMatchObject({ status: 204, headers: { range: '0-999' } })
    expect(await chunk(1000, 3000)).toMatchObject({ status: 202, headers: { range: '0-2999' } })
    expect(await ask({ method: 'PUT', path: `${path}?digest=${digest}` })).toMatchObject({ status: 201 })
    expect(await ask({ path })).toMatchObject({ status: 404, code: 'BLOB_UPLOAD_UNKNOWN' })
    expect((await ask({ path: `/v2/up/load/blobs/${digest}` })).status).toBe(200)
  })

  it('leave nothing when the digest is wrong, or when they are cancelled', async () => {
    const [one, other] = [await begin(), await begin()]
    const wrong = await ask({ method: 'PUT', path: `${one}?digest=${aBlob().digest}`, body: 'other bytes' })
    expect(wrong).toMatchObject({ status: 400, code: 'DIGEST_INVALID' })
    await ask({ method: 'PATCH', path: other, body: 'some bytes' })
    expect((await ask({ method: 'DELETE', path: other })).status).toBe(204)
    const left = await readdir(join(registry.root, 'uploads'), { recursive: true, withFileTypes: true })
    expect(left.filter((entry) => entry.isFile())).toEqual([])
  })

  it('belong to their repository', async () => {
    const path = (await begin()).replace('/up/load/', '/other/')
    expect(await ask({ method: 'PUT', path: `${path}?digest=${aBlob().digest}` })).toMatchObject({ status: 404 })
  })

  it('A14: may not be longer than a blob may be, said or not', async () => {
    const path = await begin()
    const body = Buffer.alloc(4_000_001)
    expect(await ask({ method: 'PATCH', path, body })).toMatchObject({ status: 413, code: 'SIZE_INVALID' })
    const unsaid = await ask({
      method: 'PATCH',
      path: await begin(),
      headers: { 'Transfer-Encoding': 'chunked' },
      body,
    })
    expect(unsaid).toMatchObject({ code: 'SIZE_INVALID' })
  })

  it('that break off leave what came, to go on from there; a whole one in a single request leaves nothing', async () => {
    const { bytes, digest } = aBlob(50_000)
    const path = await begin()
    const cut = async (method: string, to: string) => {
      const [hostname, port] = registry.host.split(':')
      const headers = { 'Content-Length': 50_000 }
      const sent = http.request({ hostname, port, method, path: to, headers, agent: false })
      sent.on('error', () => {})
      sent.write(bytes.subarray(0, 20_000))
      return sent
    }
    const patch = await cut('PATCH', path)
    await expect.poll(async () => (await ask({ path })).headers.range, { timeout: 10_000 }).toBe('0-19999')
    patch.destroy()
    const rest = () => ask({ method: 'PUT', path: `${path}?digest=${digest}`, body: bytes.subarray(20_000) })
    await expect.poll(async () => (await rest()).status, { timeout: 10_000 }).toBe(201)
    const files = async () =>
      (await readdir(join(registry.root, 'uploads'), { recursive: true, withFileTypes: true })).filter((entry) =>
        entry.isFile(),
      )
    const before = (await files()).length
    const post = await cut('POST', `/v2/up/load/blobs/uploads/?digest=${aBlob().digest}`)
    await expect.poll(async () => (await files()).length, { timeout: 10_000 }).toBe(before + 1)
    post.destroy()
    await expect.poll(async () => (await files()).length, { timeout: 10_000 }).toBe(before)
  })

  it('A14: are limited in number; the client is told to come again', async () => {
    await using other = await aRegistry()
    let answer = await ask({ method: 'POST', path: '/v2/a/blobs/uploads/' }, other.host)
    for (let n = 0; n < 256 && answer.status === 202; n++) {
      answer = await ask({ method: 'POST', path: '/v2/a/blobs/uploads/' }, other.host)
    }
    expect(answer).toMatchObject({ status: 429, code: 'TOOMANYREQUESTS', headers: { 'retry-after': '5' } })
  })
})

describe('A14: clients that take their time', () => {
  // Of its own: on a busy machine everybody takes his time.
  let hasty: Registry
  beforeAll(async () => {
    hasty = await aRegistry({ limits: { stallMs: 1500, manifestMs: 800 } })
  })
  afterAll(() => hasty[Symbol.asyncDispose]())

  it.each([
    ['a manifest', 'PUT /v2/slow/manifests/v1 HTTP/1.1\r\nContent-Length: 1000\r\n'],
    ['a blob', `POST /v2/slow/blobs/uploads/?digest=${aBlob().digest} HTTP/1.1\r\nContent-Length: 1000\r\n`],
  ])('lose their connection when they stall while sending %s', async (_, head) => {
    const [host = '', port = ''] = hasty.host.split(':')
    const socket = connect(Number(port), host)
    socket.on('error', () => {})
    socket.write(`${head}Host: x\r\n\r\nonly this`)
    await once(socket.resume(), 'close')
  })

  it.each([
    ['by its length', 'Content-Length: 1000000', '0123456789'],
    ['in chunks', 'Transfer-Encoding: chunked', 'a\r\n0123456789\r\n'],
  ])(
    'lose it when they send some bytes now and then, and can go on with their upload: %s',
    async (_, framing, some) => {
      // Not in a hurry otherwise: it does not stall.
      await using dragged = await aRegistry({ limits: { leastBytesPerSecond: 1e9, paceMs: 400 } })
      const begun = await ask({ method: 'POST', path: '/v2/slow/blobs/uploads/' }, dragged.host)
      const path = begun.headers.location ?? ''
      const [host = '', port = ''] = dragged.host.split(':')
      const socket = connect(Number(port), host)
      socket.on('error', () => {})
      socket.write(`PATCH ${path} HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n${some}`)
      const sending = setInterval(() => socket.write(some), 20)
      await once(socket.resume(), 'close')
      clearInterval(sending)
      await expect
        .poll(async () => (await ask({ method: 'GET', path }, dragged.host)).headers.range, { timeout: 20_000 })
        .toMatch(/^0-[1-9]/)
    },
  )

  it('lose their connection when they do not read what they asked for', async () => {
    const { digest } = await putBlob(hasty.store, 'slow', aBlob(8_000_000).bytes)
    const [host = '', port = ''] = hasty.host.split(':')
    const socket = connect(Number(port), host)
    socket.on('error', () => {})
    socket.write(`GET /v2/slow/blobs/${digest} HTTP/1.1\r\nHost: x\r\n\r\n`)
    socket.pause()
    const server = hasty
    await expect
      .poll(async () => openSockets(server.host, socket.localPort ?? 0), { timeout: 20_000, interval: 250 })
      .toBe(0)
    socket.destroy()
  })
})

/** How many established connections the registry has to this port of ours, by the kernel's own list. */
async function openSockets(host: string, localPort: number): Promise<number> {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n')
  const local = `0100007F:${hex(Number(host.split(':')[1]))}`
  return lines.filter((line) => line.includes(` ${local} 0100007F:${hex(localPort)} 01 `)).length
}

describe('manifests', () => {
  const put = (body: Uint8Array | string, type: string = MEDIA_TYPES.imageManifest, reference = 'v1') =>
    ask({ method: 'PUT', path: `/v2/mani/manifests/${reference}`, headers: { 'Content-Type': type }, body })

  it.each([
    ['no JSON', '{', MEDIA_TYPES.imageManifest],
    ['a list', '[]', MEDIA_TYPES.imageManifest],
    ['nested a million deep', '['.repeat(1_000_000), MEDIA_TYPES.imageManifest],
    [
      'another media type inside',
      `{"schemaVersion":2,"mediaType":"${MEDIA_TYPES.imageIndex}"}`,
      MEDIA_TYPES.imageManifest,
    ],
    ['a media type that nobody knows', '{"schemaVersion":2}', 'application/json'],
    ['Docker schema 1', '{"schemaVersion":1}', 'application/vnd.docker.distribution.manifest.v1+json'],
    [
      'a digest that is a path',
      '{"schemaVersion":2,"layers":[],"config":{"mediaType":"a/b","size":1,"digest":"../../x"}}',
      MEDIA_TYPES.imageManifest,
    ],
    [
      'a size below nothing',
      `{"schemaVersion":2,"layers":[],"config":{"mediaType":"a/b","size":-1,"digest":"${aBlob().digest}"}}`,
      MEDIA_TYPES.imageManifest,
    ],
  ])('%s: MANIFEST_INVALID', async (_, body, type) => {
    expect(await put(body, type)).toMatchObject({ status: 400, code: 'MANIFEST_INVALID' })
  })

  it('A14: longer than 4 MiB: 413, said or not', async () => {
    const body = Buffer.alloc(5_000_000, ' ')
    expect(await put(body)).toMatchObject({ status: 413, code: 'MANIFEST_INVALID' })
    const headers = { 'Content-Type': MEDIA_TYPES.imageManifest, 'Transfer-Encoding': 'chunked' }
    expect(await ask({ method: 'PUT', path: '/v2/mani/manifests/v1', headers, body })).toMatchObject({ status: 413 })
  })

  it('with a configuration that is not there: MANIFEST_BLOB_UNKNOWN', async () => {
    const { manifest } = await anImage(registry.store, 'mani')
    const { digest, size } = aBlob()
    const config = { ...manifest.config, digest, size }
    expect(await put(JSON.stringify({ ...manifest, config }))).toMatchObject({ code: 'MANIFEST_BLOB_UNKNOWN' })
  })

  it('with layers that are not there (sparse): taken, with a warning that names three and counts the rest', async () => {
    const { manifest } = await anImage(registry.store, 'mani')
    const layers = Array.from({ length: 5 }, () => aBlob()).map(({ digest, size }) => ({
      mediaType: MEDIA_TYPES.layerGzip,
      digest,
      size,
    }))
    const answer = await put(JSON.stringify({ ...manifest, layers }))
    const named = layers.slice(0, 3).map(({ digest }) => digest)
    expect(answer).toMatchObject({
      status: 201,
      headers: { warning: `299 - "mani lacks ${named.join(', ')} and 2 more, which this manifest names"` },
    })
  })

  it('of an index whose manifests are not there (sparse): taken, with a warning', async () => {
    const child = { mediaType: MEDIA_TYPES.imageManifest, digest: aBlob().digest, size: 2 }
    const body = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.imageIndex, manifests: [child] })
    expect(await put(body, MEDIA_TYPES.imageIndex)).toMatchObject({
      status: 201,
      headers: { warning: `299 - "mani lacks ${child.digest}, which this manifest names"` },
    })
  })

  it('with a layer of another size than is there: DIGEST_INVALID', async () => {
    const { manifest } = await anImage(registry.store, 'mani')
    const layers = manifest.layers.map((layer) => ({ ...layer, size: layer.size + 1 }))
    expect(await put(JSON.stringify({ ...manifest, layers }))).toMatchObject({ code: 'DIGEST_INVALID' })
  })

  it('under a digest that is not theirs: DIGEST_INVALID', async () => {
    const { bytes } = await anImage(registry.store, 'mani')
    expect(await put(bytes, MEDIA_TYPES.imageManifest, aBlob().digest)).toMatchObject({ code: 'DIGEST_INVALID' })
  })

  it('take several tags at once, and say which', async () => {
    const { bytes, descriptor } = await anImage(registry.store, 'tagged')
    const path = `/v2/tagged/manifests/${descriptor.digest}?tag=v1&tag=v2`
    const answer = await ask({ method: 'PUT', path, headers: { 'Content-Type': descriptor.mediaType }, body: bytes })
    expect(answer).toMatchObject({ status: 201, headers: { 'oci-tag': 'v1, v2' } })
    expect(await registry.store.tags('tagged', never)).toEqual(['v1', 'v2'])
  })

  it('that name a subject are listed as its referrers, also before it is there, until they are deleted', async () => {
    const { manifest, descriptor } = await anImage(registry.store, 'refer')
    const subject = { mediaType: MEDIA_TYPES.imageManifest, digest: aBlob().digest, size: 10 }
    const signature = Buffer.from(JSON.stringify({ ...manifest, subject, artifactType: 'application/x-signature' }))
    const made = await ask({
      method: 'PUT',
      path: '/v2/refer/manifests/sig',
      headers: { 'Content-Type': descriptor.mediaType },
      body: signature,
    })
    expect(made.headers['oci-subject']).toBe(subject.digest)
    const path = `/v2/refer/referrers/${subject.digest}`
    const list = async (query = '') => JSON.parse((await ask({ path: `${path}${query}` })).text).manifests
    expect(await list()).toMatchObject([{ artifactType: 'application/x-signature' }])
    expect(await list('?artifactType=other/type')).toEqual([])
    await ask({ method: 'DELETE', path: `/v2/refer/manifests/${made.headers['docker-content-digest']}` })
    expect(await list()).toEqual([])
  })
})

describe('lists', () => {
  it('come in pages that lead from one to the next', async () => {
    await anImage(registry.store, 'paged', { tags: ['a', 'b', 'c', 'd', 'e'] })
    const seen: string[] = []
    let path: string | undefined = '/v2/paged/tags/list?n=2'
    while (path !== undefined) {
      const answer = await ask({ path })
      seen.push(...JSON.parse(answer.text).tags)
      path = /<([^>]+)>/.exec(String(answer.headers.link ?? ''))?.[1]
    }
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('A7, A14: of referrers come in pages that are no longer than a manifest, whatever annotations they have', async () => {
    const { manifest, descriptor } = await anImage(registry.store, 'signed')
    const subject = { mediaType: MEDIA_TYPES.imageManifest, digest: aBlob().digest, size: 10 }
    const made = new Map<string, string>()
    for (let n = 0; n < 9; n++) {
      const artifactType = n % 3 === 0 ? 'application/x-sbom' : 'application/x-signature'
      const annotations = { n: String(n), text: 'x'.repeat(900_000) }
      const bytes = Buffer.from(JSON.stringify({ ...manifest, subject, artifactType, annotations }))
      const { mediaType } = descriptor
      const put = { mediaType, bytes, digest: digestOf(bytes), sparse: true }
      made.set((await registry.store.putManifest('signed', put, [], never)).descriptor.digest, artifactType)
    }
    const all = async (query: string) => {
      const pages: string[][] = []
      let path: string | undefined = `/v2/signed/referrers/${subject.digest}${query}`
      while (path !== undefined) {
        const answer = await ask({ path })
        expect(answer.text.length).toBeLessThanOrEqual(MAX_MANIFEST_BYTES)
        pages.push(JSON.parse(answer.text).manifests.map((found: { digest: string }) => found.digest))
        path = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1]
      }
      return pages
    }
    const whole = await all('')
    expect(whole.map((page) => page.length)).toEqual([4, 4, 1])
    expect(whole.flat()).toEqual([...made.keys()].sort())
    const boms = [...made].filter(([, type]) => type === 'application/x-sbom').map(([digest]) => digest)
    expect((await all('?artifactType=application/x-sbom')).flat()).toEqual(boms.sort())
  })

  it('A14: take any n, and answer an unknown repository with NAME_UNKNOWN', async () => {
    expect((await ask({ path: '/v2/_catalog?n=1000000000000000000000' })).status).toBe(200)
    expect((await ask({ path: '/v2/paged/tags/list?n=0' })).text).toContain('[]')
    expect((await ask({ path: '/v2/_catalog?n=-1' })).status).toBe(400)
    expect(await ask({ path: '/v2/not/there/tags/list' })).toMatchObject({ status: 404, code: 'NAME_UNKNOWN' })
  })
})

it.each([
  ['POST', '/v2/'],
  ['PUT', '/v2/_catalog'],
  ['PATCH', `/v2/a/blobs/${aBlob().digest}`],
  ['GET', '/v2/a/blobs/uploads/'],
])('%s %s: UNSUPPORTED', async (method, path) => {
  expect(await ask({ method, path })).toMatchObject({ status: 405, code: 'UNSUPPORTED' })
})

it('A14: sends blobs whole and in part also where there is no room in memory for their pieces', async () => {
  await using narrow = await aRegistry({ limits: { sendingBytes: 0 } })
  const { bytes, digest } = aBlob(700_000)
  await putBlob(narrow.store, 'narrow', bytes)
  const path = `/v2/narrow/blobs/${digest}`
  // As after a start: the first who asks has it checked.
  const now = new Date()
  await utimes(join(narrow.root, 'blobs/sha256', digest.slice(7, 9), digest.slice(7)), now, now)
  const asked = Array.from({ length: 20 }, () => fetch(`http://${narrow.host}${path}`))
  for (const answer of await Promise.all(asked)) expect(digestOf(Buffer.from(await answer.arrayBuffer()))).toBe(digest)
  const part = await fetch(`http://${narrow.host}${path}`, { headers: { Range: 'bytes=100000-499999' } })
  expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(100_000, 500_000))).toBe(true)
})

it('answers ranges of a blob', async () => {
  const { bytes, digest, size } = aBlob(1000)
  await putBlob(registry.store, 'range', bytes)
  const get = (Range: string) => ask({ path: `/v2/range/blobs/${digest}`, headers: { Range } })
  expect(await get('bytes=0-9')).toMatchObject({ status: 206, headers: { 'content-range': `bytes 0-9/${size}` } })
  expect(await get('bytes=990-')).toMatchObject({ status: 206, headers: { 'content-length': '10' } })
  expect(await get('bytes=-10')).toMatchObject({ status: 206, headers: { 'content-range': `bytes 990-999/${size}` } })
  expect(await get('bytes=1000-')).toMatchObject({ status: 416 })
  expect(await get('lines=1-2')).toMatchObject({ status: 200 })
  expect(await registry.store.statBlob('range', digest, never)).toBe(size)
})
