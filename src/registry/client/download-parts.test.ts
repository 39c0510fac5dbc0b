import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../os/system-clock.ts'
import { aBlob, bytesOf, never } from '../testing.ts'
import { paysInParts } from './download-parts.ts'
import { cleanUp, clientOf, play } from './testing-play.ts'

afterEach(cleanUp)

const slow = { bytes: 5_000_000, elapsedMs: 1000, leftBytes: 50_000_000, acceptRanges: 'bytes' }

it.each([
  ['a slow connection', {}, true],
  ['a fast one', { elapsedMs: 50 }, false],
  ['too little to know', { bytes: 100_000 }, false],
  ['little that is left', { leftBytes: 5_000_000 }, false],
  ['a length that is not known', { leftBytes: Number.NaN }, false],
  ['a registry that has no ranges', { acceptRanges: 'none' }, false],
  ['one that says nothing of them', { acceptRanges: undefined }, false],
])('with %s, several connections pay: %s', (_, more, expected) => {
  expect(paysInParts({ ...slow, ...more })).toBe(expected)
})

describe('a large blob', () => {
  let blob: ReturnType<typeof aBlob>
  beforeAll(() => {
    blob = aBlob(40_000_000)
  })

  /** On this clock a second goes by between any two looks: every connection is slow. */
  const slowly = () => {
    let ms = 0
    return { ...systemClock, sleep: async () => {}, monotonic: () => (ms += 1000) }
  }

  const rangeOf = (request: IncomingMessage) =>
    (/^bytes=([0-9]+)-([0-9]*)$/.exec(request.headers.range ?? '') ?? []).slice(1).map(Number)

  const answerRange = (request: IncomingMessage, response: ServerResponse, bytes = blob.bytes) => {
    const [start = 0, last] = rangeOf(request)
    const end = last === undefined || last === 0 ? blob.size : last + 1
    const headers = { 'Content-Length': end - start, 'Content-Range': `bytes ${start}-${end - 1}/${blob.size}` }
    response.writeHead(206, headers).end(bytes.subarray(start, end))
  }
  const answerAll = (response: ServerResponse) =>
    response.writeHead(200, { 'Content-Length': blob.size, 'Accept-Ranges': 'bytes' }).end(blob.bytes)

  const read = async (host: string, clock = slowly()) =>
    bytesOf(await clientOf(host, { clock }).readBlob('shop', blob.digest, never))

  it('comes over several connections at once where one is slow', async () => {
    const waiting: (() => void)[] = []
    let most = 0
    const { host, seen } = await play((request, response) => {
      if (request.headers.range === undefined) return answerAll(response)
      // Answered when a second one is there, or when it is the last: alone, none would get on.
      waiting.push(() => answerRange(request, response))
      most = Math.max(most, waiting.length)
      const isLast = rangeOf(request)[1] === blob.size - 1
      if (waiting.length > 1 || isLast) for (const answer of waiting.splice(0)) answer()
    })
    expect((await read(host)).equals(blob.bytes)).toBe(true)
    expect(most).toBeGreaterThan(1)
    expect(seen.length).toBeGreaterThan(5)
  })

  it('comes over one where that is fast', async () => {
    const { host, seen } = await play((_request, response) => answerAll(response))
    const still = { ...slowly(), monotonic: () => 0 }
    expect((await read(host, still)).equals(blob.bytes)).toBe(true)
    expect(seen).toHaveLength(1)
  })

  it.each([
    [
      'is cut',
      (_: IncomingMessage, response: ServerResponse) => response.writeHead(206, { 'Content-Length': 9 }).destroy(),
    ],
    [
      'is another',
      (_: IncomingMessage, response: ServerResponse) =>
        response.writeHead(206, { 'Content-Range': 'bytes 0-0/1' }).end('x'),
    ],
    ['is all of it', (_: IncomingMessage, response: ServerResponse) => answerAll(response)],
    ['is refused', (_: IncomingMessage, response: ServerResponse) => response.writeHead(416).end()],
  ])('comes whole where a part %s', async (_, answer) => {
    const { host } = await play((request, response, count) => {
      if (request.headers.range === undefined) answerAll(response)
      else if (count === 3) answer(request, response)
      else answerRange(request, response)
    })
    expect((await read(host)).equals(blob.bytes)).toBe(true)
  })

  it('with other bytes in a part never comes to its end', async () => {
    const wrong = Buffer.from(blob.bytes).fill(7, 20_000_000, 20_000_100)
    const { host } = await play((request, response) =>
      request.headers.range === undefined ? answerAll(response) : answerRange(request, response, wrong),
    )
    await expect(read(host)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
  })

  it('stops all its connections when nobody wants it any more', async () => {
    let open = 0
    const { host } = await play((request, response) => {
      if (request.headers.range === undefined) return answerAll(response)
      open++
      response.on('close', () => open--)
    })
    const abort = new AbortController()
    const reading = bytesOf(await clientOf(host, { clock: slowly() }).readBlob('shop', blob.digest, abort.signal))
    await expect.poll(() => open, { timeout: 10_000 }).toBeGreaterThan(1)
    abort.abort(new Error('enough'))
    await expect(reading).rejects.toThrow()
    await expect.poll(() => open, { timeout: 10_000 }).toBe(0)
  })
})
