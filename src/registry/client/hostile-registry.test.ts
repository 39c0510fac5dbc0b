import type { IncomingMessage } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { DeployError } from '../../model/failure.ts'
import { aBlob, anImage, aRegistry, bytesOf, never, putBlob } from '../testing.ts'
import type { Credentials } from './logins/credentials.ts'
import { anEagerClock, cleanUp, cleanups, clientOf, play } from './testing-play.ts'

afterEach(cleanUp)

const login: Credentials = { kind: 'password', username: 'kim', password: 'canary-4711' }
const blob = aBlob(200_000)
const read = async (host: string, more = {}) => bytesOf(await clientOf(host, more).readBlob('shop', blob.digest, never))

describe('F3: downloads', () => {
  const rangeStart = (request: IncomingMessage) => Number(/bytes=([0-9]+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)

  it.each(['reset', 'stall'])('go on where a %s broke them', async (how) => {
    const { host, seen } = await play((request, response, count) => {
      const start = rangeStart(request)
      const rest = blob.bytes.subarray(start)
      response.writeHead(start > 0 ? 206 : 200, {
        'Content-Length': rest.length,
        ...(start > 0 ? { 'Content-Range': `bytes ${start}-${blob.size - 1}/${blob.size}` } : {}),
      })
      if (count > 3) return response.end(rest)
      response.write(rest.subarray(0, 50_000), () => {
        if (how === 'reset') setImmediate(() => response.destroy())
      })
    })
    expect((await read(host, { stallMs: 300 })).equals(blob.bytes)).toBe(true)
    expect(seen.length).toBeGreaterThan(3)
    expect(rangeStart({ headers: seen[3]?.headers ?? {} } as IncomingMessage)).toBeGreaterThan(0)
  })

  it('go on where the registry knows no ranges', async () => {
    const { host } = await play((_request, response, count) => {
      response.writeHead(200, { 'Content-Length': blob.size })
      if (count > 2) return response.end(blob.bytes)
      response.write(blob.bytes.subarray(0, 70_000), () => setImmediate(() => response.destroy()))
    })
    expect((await read(host)).equals(blob.bytes)).toBe(true)
  })

  it('end when the registry always promises more than it sends', async () => {
    const { host, seen } = await play((_request, response) => {
      response.writeHead(200, { 'Content-Length': blob.size + 10 })
      response.write(blob.bytes, () => response.destroy())
    })
    await expect(read(host)).rejects.toMatchObject({ name: 'DeployError' })
    expect(seen.length).toBeLessThan(20)
  })

  it.each([
    ['other bytes', Buffer.from(blob.bytes).fill(7, 100, 200)],
    ['fewer bytes', blob.bytes.subarray(0, 1000)],
    ['more bytes', Buffer.concat([blob.bytes, Buffer.alloc(70_000)])],
  ])('with %s never come to their end', async (_, bytes) => {
    const { host } = await play((_request, response) => response.writeHead(200).end(bytes))
    await expect(read(host)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
  })

  it('that only trickle go on over another connection', async () => {
    const { host, seen } = await play((request, response, count) => {
      const start = rangeStart(request)
      const rest = blob.bytes.subarray(start)
      const range = { 'Content-Range': `bytes ${start}-${blob.size - 1}/${blob.size}` }
      response.writeHead(start > 0 ? 206 : 200, { 'Content-Length': rest.length, ...(start > 0 ? range : {}) })
      if (count > 2) return response.end(rest)
      let at = 0
      const trickle = setInterval(() => response.write(rest.subarray(at, ++at)), 20)
      response.on('close', () => clearInterval(trickle))
    })
    expect((await read(host, { stallMs: 300 })).equals(blob.bytes)).toBe(true)
    expect(seen.length).toBeGreaterThan(2)
  })

  it('refuse another range than the one that was asked for', async () => {
    const { host } = await play((_request, response, count) => {
      if (count === 1) {
        response.writeHead(200, { 'Content-Length': blob.size })
        response.write(blob.bytes.subarray(0, 70_000), () => setImmediate(() => response.destroy()))
      } else response.writeHead(206, { 'Content-Range': `bytes 0-9/${blob.size}` }).end(blob.bytes.subarray(0, 10))
    })
    await expect(read(host)).rejects.toMatchObject({ code: 'REGISTRY_REFUSED' })
  })
})

describe('F3, F19: a registry that is busy', () => {
  it('is asked again, later and later, and as late as it says', async () => {
    const { clock, slept } = anEagerClock()
    const { host } = await play((_request, response, count) => {
      if (count === 1) response.writeHead(429, { 'Retry-After': '7' }).end()
      else if (count < 5) response.writeHead(503).end()
      else response.writeHead(200, { 'Content-Length': 10 }).end()
    })
    expect(await clientOf(host, { clock }).statBlob('shop', blob.digest, never)).toBe(10)
    expect(slept).toEqual([7200, 400, 800, 1600])
  })

  it.each([
    [503, 'REGISTRY_UNREACHABLE'],
    [429, 'REGISTRY_RATE_LIMITED'],
  ])('is given up when it answers %d without end', async (status, code) => {
    const { host, seen } = await play((_request, response) => response.writeHead(status).end())
    await expect(clientOf(host).statBlob('shop', blob.digest, never)).rejects.toMatchObject({ code })
    expect(seen).toHaveLength(6)
  })

  it('is told at once when it is away for longer than anybody waits', async () => {
    const { host, seen } = await play((_request, response) => response.writeHead(503, { 'Retry-After': '7200' }).end())
    await expect(clientOf(host).readManifest('shop', 'v1', never)).rejects.toMatchObject({
      code: 'REGISTRY_UNREACHABLE',
      message: expect.stringMatching(/503.*come back in 2 h/),
    })
    expect(seen).toHaveLength(1)
  })

  it.each([
    ['asks for more time than anybody waits', { 'Retry-After': '3600' }, /come back in 60 min/],
    [
      'says that nothing is left',
      {
        'ratelimit-limit': '100;w=21600',
        'ratelimit-remaining': '0;w=21600',
        'docker-ratelimit-source': '192.0.2.7',
      },
      /limit 100 in 6 h, 0 left, counted for 192.0.2.7/,
    ],
  ])('is told at once when it %s', async (_, headers, message) => {
    const body = JSON.stringify({
      errors: [{ code: 'TOOMANYREQUESTS', message: 'You have reached your pull rate limit.' }],
    })
    const { host, seen } = await play((_request, response) => response.writeHead(429, headers).end(body))
    const failed = await clientOf(host)
      .readManifest('shop', 'v1', never)
      .catch((reason: DeployError) => reason)
    expect(failed).toMatchObject({
      code: 'REGISTRY_RATE_LIMITED',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(/naru login.*mirror/),
    })
    expect((failed as DeployError).message).toContain('reached your pull rate limit')
    expect(seen).toHaveLength(1)
  })

  it.each([400, 404, 405, 418, 507])('is not asked again after %d', async (status) => {
    const body = JSON.stringify({ errors: [{ code: 'DENIED', message: 'no \u001b[31mway' }] })
    const { host, seen } = await play((_request, response) => response.writeHead(status).end(body))
    const writing = clientOf(host).writeManifest('shop', { mediaType: 'x', bytes: new Uint8Array() }, ['v1'], never)
    await expect(writing).rejects.toMatchObject({ name: 'DeployError' })
    const listing = clientOf(host).deleteManifest('shop', 'v1', never)
    if (status === 404) expect(await listing).toBe(false)
    else
      await expect(listing).rejects.toMatchObject({
        code: 'REGISTRY_REFUSED',
        message: expect.stringMatching(/no +\[31mway/),
      })
    expect(seen.length).toBeLessThanOrEqual(1)
  })
})

describe('a registry that is not there', () => {
  it('is told at once, with its host and what to do', async () => {
    const { host } = await play(() => {})
    await cleanups.pop()?.()
    const { clock, slept } = anEagerClock()
    const asking = clientOf(host, { clock }).statBlob('shop', blob.digest, never)
    await expect(asking).rejects.toMatchObject({
      code: 'REGISTRY_UNREACHABLE',
      message: expect.stringContaining(host),
      hint: expect.stringMatching(/host name/),
    })
    expect(slept).toEqual([])
  })

  it('that never answers is given up after the time for silence', async () => {
    const { host } = await play(() => {})
    const asking = clientOf(host, { stallMs: 100 }).statBlob('shop', blob.digest, never)
    await expect(asking).rejects.toMatchObject({
      code: 'REGISTRY_UNREACHABLE',
      message: expect.stringMatching(/stopped/),
    })
  })

  it('that speaks no TLS gets no plain request unless asked for', async () => {
    const { host, seen } = await play((_request, response) => response.end())
    const asking = clientOf(host, { plainHttp: false }).statBlob('shop', blob.digest, never)
    await expect(asking).rejects.toMatchObject({
      code: 'REGISTRY_UNREACHABLE',
      hint: expect.stringMatching(/plain HTTP/),
    })
    expect(seen).toEqual([])
  })

  it('does not hold up an abort', async () => {
    const { host } = await play(() => {})
    const abort = new AbortController()
    const asking = clientOf(host).statBlob('shop', blob.digest, abort.signal)
    abort.abort(new Error('enough'))
    await expect(asking).rejects.toThrow('enough')
  })
})

describe('A9, A10: logins', () => {
  it('are shown by Basic only when asked for', async () => {
    await using registry = await aRegistry({ token: 'canary-4711' })
    const anonymous = clientOf(registry.host).statBlob('shop', blob.digest, never)
    await expect(anonymous).rejects.toMatchObject({
      code: 'REGISTRY_AUTH_FAILED',
      hint: expect.stringMatching(/naru login/),
    })
    const client = clientOf(registry.host, { credentials: { ...login, username: 'naru' } })
    expect(await client.statBlob('shop', blob.digest, never)).toBeNull()
    await anImage(client, 'shop', { tags: ['v1'] })
    expect(await client.tags('shop', never)).toEqual(['v1'])
  })

  it('that are wrong are told without their password', async () => {
    await using registry = await aRegistry({ token: 'another' })
    const failed = await clientOf(registry.host, { credentials: login })
      .statBlob('shop', blob.digest, never)
      .catch((reason: DeployError) => reason)
    expect(failed).toMatchObject({ code: 'REGISTRY_AUTH_FAILED' })
    const told =
      failed instanceof DeployError ? JSON.stringify([failed.message, failed.hint, failed.detail, failed.stack]) : ''
    expect(told).not.toMatch(/canary|a2ltOmNhbmFyeS00NzEx/)
  })

  it('are changed for a token with the scope that is needed, which is kept', async () => {
    const { host, seen } = await play((request, response) => {
      if (request.url?.startsWith('/token') === true) {
        response.end(JSON.stringify({ token: 'the-token', expires_in: 300 }))
      } else if (request.headers.authorization !== 'Bearer the-token') {
        const realm = `http://${request.headers.host}/token`
        response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${realm}",service="reg"` }).end()
      } else response.writeHead(200, { 'Content-Length': 3 }).end()
    })
    const client = clientOf(host, { credentials: login })
    expect(await client.statBlob('team/shop', blob.digest, never)).toBe(3)
    expect(await client.statBlob('team/shop', blob.digest, never)).toBe(3)
    const tokens = seen.filter(({ url }) => url.startsWith('/token'))
    expect(tokens).toHaveLength(1)
    const asked = new URL(tokens[0]?.url ?? '', 'http://x').searchParams
    expect(Object.fromEntries(asked)).toEqual({ service: 'reg', scope: 'repository:team/shop:pull' })
    expect(tokens[0]?.headers.authorization).toBe(`Basic ${btoa('kim:canary-4711')}`)
    expect(seen).toHaveLength(4)
  })

  it('are changed for one token where many calls need the same at once', async () => {
    const { host, seen } = await play((request, response) => {
      if (request.url?.startsWith('/token') === true) setImmediate(() => response.end('{"token":"T"}'))
      else if (request.headers.authorization === 'Bearer T') response.writeHead(200, { 'Content-Length': 3 }).end()
      else {
        const realm = `http://${request.headers.host}/token`
        response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${realm}"` }).end()
      }
    })
    const client = clientOf(host, { credentials: login })
    await client.statBlob('shop', blob.digest, never)
    expect(await Promise.all(Array.from({ length: 8 }, () => client.statBlob('other', blob.digest, never)))).toEqual(
      Array.from({ length: 8 }, () => 3),
    )
    expect(seen.filter(({ url }) => url.startsWith('/token'))).toHaveLength(2)
  })

  it.each([
    'http://localhost:1/token',
    'http://169.254.169.254/token',
    'https://169.254.169.254/token',
    'https://[::ffff:169.254.169.254]/token',
    'ftp://x/',
    'nothing',
    'https://user:pw@x/',
  ])('are not taken to the token service %s', async (realm) => {
    const { host, seen } = await play((_request, response) => {
      response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${realm}"` }).end()
    })
    const asking = clientOf(host, { credentials: login }).statBlob('shop', blob.digest, never)
    await expect(asking).rejects.toMatchObject({ code: 'REGISTRY_REFUSED' })
    expect(seen).toHaveLength(1)
  })

  it('do not follow a redirect to another place', async () => {
    const other = await play((_request, response) =>
      response.writeHead(200, { 'Content-Length': blob.size }).end(blob.bytes),
    )
    const { host, seen } = await play((request, response) => {
      if (request.headers.authorization === undefined)
        response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end()
      else response.writeHead(307, { Location: `http://${other.host}/elsewhere` }).end()
    })
    expect((await read(host, { credentials: login })).equals(blob.bytes)).toBe(true)
    expect(seen.at(-1)?.headers.authorization).toMatch(/^Basic/)
    expect(other.seen).toHaveLength(1)
    expect(other.seen[0]?.headers.authorization).toBeUndefined()
  })

  it('do not follow an upload to another place', async () => {
    const other = await play((request, response) => {
      request.resume().on('end', () => response.writeHead(201).end())
    })
    const { host } = await play((request, response) => {
      if (request.headers.authorization === undefined)
        response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end()
      else if (request.method === 'HEAD') response.writeHead(404).end()
      else response.writeHead(202, { Location: `http://${other.host}/put-here` }).end()
    })
    await putBlob(clientOf(host, { credentials: login }), 'shop', blob.bytes)
    expect(other.seen.map(({ method, headers }) => [method, headers.authorization])).toEqual([['PUT', undefined]])
  })
})

describe('logins that are good for a while', () => {
  /** A registry that takes one password after the other: what it took first is refused in the end. */
  const shortLived = () => {
    let good = 0
    const credentials = async (): Promise<Credentials> => ({ kind: 'password', username: 'AWS', password: `p${good}` })
    return {
      credentials,
      expire: () => void good++,
      isGood: ({ headers }: IncomingMessage) => headers.authorization === `Basic ${btoa(`AWS:p${good}`)}`,
    }
  }

  it('are looked up anew when they are over, as those of ECR are', async () => {
    const logins = shortLived()
    const { host, seen } = await play((request, response) => {
      if (logins.isGood(request)) response.writeHead(200, { 'Content-Length': 3 }).end()
      else response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="https://x/",service="ecr"' }).end()
    })
    const client = clientOf(host, { credentialsOf: logins.credentials })
    expect(await client.statBlob('shop', blob.digest, never)).toBe(3)
    logins.expire()
    expect(await client.statBlob('shop', blob.digest, never)).toBe(3)
    expect(seen.map(({ headers }) => headers.authorization)).toEqual([
      undefined,
      `Basic ${btoa('AWS:p0')}`,
      `Basic ${btoa('AWS:p0')}`,
      `Basic ${btoa('AWS:p1')}`,
    ])
  })

  it('are looked up anew for the token service too, and its tokens as well', async () => {
    const logins = shortLived()
    let token = 'first'
    const { host, seen } = await play((request, response) => {
      if (request.url?.startsWith('/token') === true) {
        if (logins.isGood(request)) response.end(JSON.stringify({ token, expires_in: 3600 }))
        else response.writeHead(401).end()
      } else if (request.headers.authorization === `Bearer ${token}`) {
        response.writeHead(200, { 'Content-Length': 3 }).end()
      } else {
        const realm = `http://${request.headers.host}/token`
        response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${realm}",service="reg"` }).end()
      }
    })
    const client = clientOf(host, { credentialsOf: logins.credentials })
    expect(await client.statBlob('shop', blob.digest, never)).toBe(3)
    logins.expire()
    token = 'second'
    expect(await client.statBlob('shop', blob.digest, never)).toBe(3)
    expect(seen.filter(({ url }) => url.startsWith('/token'))).toHaveLength(3)
  })

  it('that are refused again are not shown without end', async () => {
    let count = 0
    const { host, seen } = await play((_request, response) =>
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end(),
    )
    const credentialsOf = async (): Promise<Credentials> => ({
      kind: 'password',
      username: 'u',
      password: `${count++}`,
    })
    const asking = clientOf(host, { credentialsOf }).statBlob('shop', blob.digest, never)
    await expect(asking).rejects.toMatchObject({ code: 'REGISTRY_AUTH_FAILED' })
    expect(seen.length).toBeLessThan(5)
  })

  it('are not shown because another place asks for one', async () => {
    const other = await play((request, response) => {
      const realm = `http://${request.headers.host}/token`
      response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${realm}"` }).end()
    })
    const { host, seen } = await play((_request, response) =>
      response.writeHead(307, { Location: `http://${other.host}/x` }).end(),
    )
    await expect(read(host, { credentials: login })).rejects.toMatchObject({ code: 'REGISTRY_AUTH_FAILED' })
    expect([...seen, ...other.seen].map(({ headers }) => headers.authorization)).toEqual([undefined, undefined])
  })
})

describe('A9: redirects', () => {
  it.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://[::ffff:169.254.169.254]/',
    'http://2852039166/',
    'http://0.0.0.0/',
    'file:///etc/passwd',
    'gopher://127.0.0.1/',
  ])('to %s are refused', async (location) => {
    const { host } = await play((_request, response) => response.writeHead(302, { Location: location }).end())
    await expect(read(host)).rejects.toMatchObject({ code: 'REGISTRY_REFUSED' })
  })

  it('without an end are refused', async () => {
    const { host, seen } = await play((_request, response) => response.writeHead(302, { Location: '/again' }).end())
    await expect(read(host)).rejects.toMatchObject({ code: 'REGISTRY_REFUSED' })
    expect(seen.length).toBeLessThan(10)
  })
})

describe('answers that break off', () => {
  /** Sends the head and a part, then cuts or falls silent; from the second time on, all of it. */
  const brokenOnce = (body: Buffer, how: string) =>
    play((request, response, count) => {
      const isToken = request.url?.startsWith('/token') === true
      if (!isToken && request.headers.authorization === undefined) {
        const realm = `http://${request.headers.host}/token`
        return response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${realm}"` }).end()
      }
      const all = isToken ? Buffer.from(JSON.stringify({ token: 'T' })) : body
      response.writeHead(200, { 'Content-Length': all.length })
      // The first token, and the first answer after it.
      if (count !== 2 && count !== 5) return response.end(all)
      response.write(all.subarray(0, 5), () => {
        if (how === 'cut') setImmediate(() => response.destroy())
      })
    })

  it.each(['cut', 'stall'])('by a %s are asked for again: token, manifest, tags', async (how) => {
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [] }))
    const manifests = await brokenOnce(index, how)
    const manifest = await clientOf(manifests.host, { stallMs: 300 }).readManifest('shop', 'v1', never)
    expect(manifest?.bytes).toEqual(index)
    const lists = await brokenOnce(Buffer.from(JSON.stringify({ tags: ['v1'] })), how)
    expect(await clientOf(lists.host, { stallMs: 300 }).tags('shop', never)).toEqual(['v1'])
  })

  it('again and again are told as such, and an abort is an abort', async () => {
    const { host } = await play((_request, response) => {
      response.writeHead(200, { 'Content-Length': 100 })
      response.write('{', () => setImmediate(() => response.destroy()))
    })
    await expect(clientOf(host).readManifest('shop', 'v1', never)).rejects.toMatchObject({
      code: 'REGISTRY_UNREACHABLE',
    })
    const silent = await play(
      (_request, response) => void response.writeHead(200, { 'Content-Length': 100 }).write('{'),
    )
    const abort = new AbortController()
    const reading = clientOf(silent.host).readManifest('shop', 'v1', abort.signal)
    await expect.poll(() => silent.seen.length, { timeout: 10_000 }).toBe(1)
    abort.abort(new Error('enough'))
    await expect(reading).rejects.toThrow('enough')
  })

  it('by a trickle are asked for again', async () => {
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [] }))
    const { host } = await play((_request, response, count) => {
      response.writeHead(200, { 'Content-Length': index.length })
      if (count > 1) return response.end(index)
      const trickle = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(trickle))
    })
    const manifest = await clientOf(host, { stallMs: 200 }).readManifest('shop', 'v1', never)
    expect(manifest?.bytes).toEqual(index)
  })

  it('never end: what is longer than any manifest is not read', async () => {
    const { host } = await play((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, ' ')));
      }
      response.writeHead(200).on('drain', more)
      more()
    })
    await expect(clientOf(host).readManifest('shop', 'v1', never)).rejects.toMatchObject({ code: 'IMAGE_INVALID' })
  })
})

describe('A14: tags', () => {
  it('come by the hundred thousand', async () => {
    const tags = Array.from({ length: 300_000 }, (_, at) => `v${at}`)
    const { host } = await play((_request, response) => response.end(JSON.stringify({ tags })))
    expect(await clientOf(host).tags('shop', never)).toHaveLength(300_000)
  })

  it('are refused where they never end', async () => {
    const { host, seen } = await play((_request, response, count) => {
      const tags = Array.from({ length: 200_000 }, (_, at) => `${count}-${at}`)
      response.writeHead(200, { Link: `</v2/shop/tags/list?last=${count}>; rel="next"` }).end(JSON.stringify({ tags }))
    })
    await expect(clientOf(host).tags('shop', never)).rejects.toMatchObject({ code: 'REGISTRY_REFUSED' })
    expect(seen).toHaveLength(3)
  })
})

describe('manifests', () => {
  it.each([
    ['another digest than the one asked for', Buffer.from('{}'), {}, blob.digest, 'DIGEST_MISMATCH'],
    [
      'another digest than its header says',
      Buffer.from('{}'),
      { 'Docker-Content-Digest': blob.digest },
      'v1',
      'DIGEST_MISMATCH',
    ],
    ['more than 4 MiB', Buffer.alloc(6_000_000, ' '), {}, 'v1', 'IMAGE_INVALID'],
    ['no JSON', Buffer.from('<html>'), { 'Content-Type': 'text/html' }, 'v1', 'IMAGE_INVALID'],
  ])('with %s are refused', async (_, body, headers, reference, code) => {
    const { host } = await play((_request, response) => response.writeHead(200, headers).end(body))
    await expect(clientOf(host).readManifest('shop', reference, never)).rejects.toMatchObject({ code })
  })
})
