import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { digestOf } from '../digest.ts'
import { aBlob, never } from '../testing.ts'
import { cleanUp, clientOf, play } from './testing-play.ts'

afterEach(cleanUp)

const large = aBlob(9_000_000)
const LOCATION = '/v2/shop/blobs/uploads/1'

/** How this registry departs from the ideal one. */
interface Quirks {
  /** After how many bytes of which PATCH the connection is cut. */
  readonly cuts?: readonly number[]
  readonly patched?: number
  /** Keeps nothing of the second and later PATCH, and does not tell by the status: Amazon ECR. */
  readonly discards?: boolean
  /** Answers to GET of an upload. */
  readonly knowsUploads?: boolean
  /** Says how much it has when it took a part. */
  readonly saysRange?: boolean
}

/** A registry for one upload at a time, that keeps what arrives. */
async function anUploadRegistry({
  cuts = [],
  patched = 202,
  discards = false,
  knowsUploads = true,
  saysRange = true,
}: Quirks = {}) {
  let kept: Buffer[] = []
  let patches = 0
  let parts = 0
  const size = () => kept.reduce((sum, piece) => sum + piece.length, 0)
  const range = () => ({ Location: LOCATION, Range: `0-${Math.max(0, size() - 1)}` })
  const take = (request: IncomingMessage, response: ServerResponse) => {
    const limit = cuts[patches] ?? Number.POSITIVE_INFINITY
    const isKept = !discards || parts === 0
    patches++
    parts++
    let arrived = 0
    request.on('data', (piece: Buffer) => {
      if (request.socket.destroyed) return
      arrived += piece.length
      if (isKept) kept.push(piece)
      if (arrived > limit) request.socket.destroy()
    })
    request.on('end', () => response.writeHead(patched, saysRange ? range() : { Location: LOCATION }).end())
  }
  const finish = (request: IncomingMessage, response: ServerResponse) => {
    const isRight = request.url?.includes(encodeURIComponent(digestOf(Buffer.concat(kept)))) === true
    const body = JSON.stringify({ errors: [{ code: 'DIGEST_INVALID', message: 'not what was said' }] })
    response.writeHead(isRight ? 201 : 400).end(isRight ? '' : body)
  }
  const played = await play((request, response) => {
    if (request.method === 'HEAD') response.writeHead(404).end()
    else if (request.method === 'POST') {
      kept = []
      parts = 0
      response.writeHead(202, { Location: LOCATION }).end()
    } else if (request.method === 'GET') response.writeHead(knowsUploads ? 204 : 404, range()).end()
    else if (request.method === 'PATCH') take(request, response)
    else request.resume().on('end', () => finish(request, response))
  })
  const count = (method: string) => played.seen.filter((request) => request.method === method).length
  return { ...played, count, content: () => Buffer.concat(kept) }
}

const upload = (host: string) => clientOf(host).writeBlob('shop', large, () => Readable.from([large.bytes]), never)

describe('F3: uploads', () => {
  it('go on at the byte where they were interrupted', async () => {
    const registry = await anUploadRegistry({ cuts: [3_000_000, 3_000_000] })
    expect(await upload(registry.host)).toBe(large.size)
    expect(digestOf(registry.content())).toBe(large.digest)
    expect([registry.count('POST'), registry.count('PATCH')]).toEqual([1, 3])
  })

  it('begin again where the registry no longer knows them', async () => {
    const registry = await anUploadRegistry({ cuts: [3_000_000], knowsUploads: false })
    await upload(registry.host)
    expect(digestOf(registry.content())).toBe(large.digest)
    expect([registry.count('POST'), registry.count('PATCH')]).toEqual([2, 2])
  })

  it('take the 201 of Amazon ECR for a part', async () => {
    const registry = await anUploadRegistry({ patched: 201 })
    await upload(registry.host)
    expect([registry.count('PATCH'), registry.count('PUT')]).toEqual([1, 1])
  })

  it('begin again where the registry loses what comes after an interruption, as ECR does', async () => {
    const registry = await anUploadRegistry({ cuts: [3_000_000], patched: 201, discards: true })
    await upload(registry.host)
    expect(digestOf(registry.content())).toBe(large.digest)
    expect([registry.count('POST'), registry.count('PATCH')]).toEqual([2, 3])
  })

  it('begin again where the registry cannot put the parts together', async () => {
    const registry = await anUploadRegistry({ cuts: [3_000_000], discards: true, saysRange: false })
    await upload(registry.host)
    expect(digestOf(registry.content())).toBe(large.digest)
    expect(registry.count('PUT')).toBe(2)
  })

  it('are given up where the registry always has less than was sent', async () => {
    const { host, seen } = await play((request, response) => {
      if (request.method === 'HEAD') response.writeHead(404).end()
      else if (request.method === 'POST') response.writeHead(202, { Location: LOCATION }).end()
      else if (request.method === 'GET') response.writeHead(204, { Location: LOCATION, Range: '0-99' }).end()
      else request.resume().on('end', () => response.writeHead(202, { Location: LOCATION, Range: '0-99' }).end())
    })
    await expect(upload(host)).rejects.toMatchObject({
      code: 'REGISTRY_REFUSED',
      message: expect.stringMatching(/has only 100 of 9000000 bytes/),
    })
    expect(seen.filter(({ method }) => method === 'PUT')).toEqual([])
  })

  it('are not made by a mount that is not allowed: the blob is sent then', async () => {
    const { host } = await play((_request, response) => response.writeHead(403).end())
    expect(await clientOf(host).mountBlob('shop', large.digest, 'team/secret', never)).toBe(false)
  })
})
