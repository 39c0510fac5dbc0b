import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { BodyOf } from './choose-bodies.ts'
import { aServer, digestOf, inChunks, RawClient, withLength } from './testing.ts'

const KIB = 1024
const GET = Buffer.from('GET /b HTTP/1.1\r\nHost: a\r\n\r\n')
const answered = { timeout: 30_000 }

/** What holds for the bodies of requests, whatever way they come. */
export function describeBodies(name: string, bodyOf: BodyOf): void {
  describe(`bodies of requests ${name}`, () => {
    it.each([
      ['by its length, at once', 900 * KIB, (body: Buffer) => withLength(body), [5000 * KIB]],
      ['by its length, its head alone', 900 * KIB, (body: Buffer) => withLength(body), [54, 5000 * KIB]],
      ['by its length, in small parts', 300 * KIB, (body: Buffer) => withLength(body), [1400, 9, 3000]],
      [
        'by its length, of the last byte that is not large',
        256 * KIB - 1,
        (body: Buffer) => withLength(body),
        [5000 * KIB],
      ],
      ['by its length, and it is empty', 0, (body: Buffer) => withLength(body), [5000 * KIB]],
      ['in chunks, at once', 900 * KIB, (body: Buffer) => inChunks(body, 32 * KIB), [5000 * KIB]],
      ['in chunks, its head alone', 900 * KIB, (body: Buffer) => inChunks(body, 32 * KIB), [57, 5000 * KIB]],
      ['in chunks, cut in their sizes', 900 * KIB, (body: Buffer) => inChunks(body, 32 * KIB), [58, 1, 1, 70_000]],
      ['in small chunks', 100 * KIB, (body: Buffer) => inChunks(body, 7), [4000, 31, 9000]],
      ['in one chunk', 700 * KIB, (body: Buffer) => inChunks(body, 700 * KIB), [5000 * KIB]],
      ['in chunks, and it is empty', 0, (body: Buffer) => inChunks(body, 1), [5000 * KIB]],
    ])('are taken whole: framed %s', async (_name, size, framed, cuts) => {
      await using server = await aServer(bodyOf)
      using client = new RawClient(server.port)
      const body = randomBytes(size)
      await client.write(framed(body), cuts)
      await expect.poll(() => client.answers, answered).toEqual([`200 ${digestOf(body)}`])
      // Again, and then something else, on the same connection.
      await client.write(framed(body), cuts)
      await expect.poll(() => client.answers.length, answered).toBe(2)
      await client.write(GET)
      await expect
        .poll(() => client.answers, answered)
        .toEqual([`200 ${digestOf(body)}`, `200 ${digestOf(body)}`, '200 ok'])
    })

    it('leave what follows them on the connection to the next requests', async () => {
      await using server = await aServer(bodyOf)
      using client = new RawClient(server.port)
      const bodies = [randomBytes(700 * KIB), randomBytes(10), randomBytes(500 * KIB), randomBytes(20 * KIB)]
      const [a, b, c, d] = bodies as [Buffer, Buffer, Buffer, Buffer]
      await client.write(Buffer.concat([withLength(a), withLength(b), inChunks(c, 9000), GET, inChunks(d, 100)]))
      const digests = [a, b, c].map((body) => `200 ${digestOf(body)}`)
      await expect.poll(() => client.answers, answered).toEqual([...digests, '200 ok', `200 ${digestOf(d)}`])
    })

    it('wait for `100 Continue`', async () => {
      await using server = await aServer(bodyOf)
      using client = new RawClient(server.port)
      const body = randomBytes(600 * KIB)
      const whole = withLength(body, 'Expect: 100-continue\r\n')
      await client.write(whole.subarray(0, whole.length - body.length))
      await client.write(whole.subarray(whole.length - body.length))
      await expect.poll(() => client.answers, answered).toEqual([`200 ${digestOf(body)}`])
    })

    it.each([
      ['by its length', withLength(randomBytes(900 * KIB))],
      ['in chunks', inChunks(randomBytes(900 * KIB), 10_000)],
    ])('fail when the client goes away, with what came before: framed %s', async (_name, whole) => {
      await using server = await aServer(bodyOf)
      using client = new RawClient(server.port)
      await client.write(whole.subarray(0, 500 * KIB))
      client.socket.end()
      await expect.poll(() => server.taken.length, answered).toBe(1)
      expect(server.taken[0]?.failed).not.toBeNull()
      expect(server.taken[0]?.size).toBeGreaterThan(400 * KIB)
    })

    it.each([
      ['by its length', withLength(randomBytes(900 * KIB))],
      ['in chunks', inChunks(randomBytes(900 * KIB), 10_000)],
    ])('are answered when they are not wanted, and the connection goes on: framed %s', async (_name, whole) => {
      await using server = await aServer(bodyOf, { most: 300 * KIB })
      using client = new RawClient(server.port)
      await client.write(whole)
      await client.write(GET)
      await expect.poll(() => client.answers, answered).toEqual([`413 more than ${300 * KIB} bytes`, '200 ok'])
    })

    it('are answered when nobody asked for them, and the connection goes on', async () => {
      await using server = await aServer(bodyOf)
      using client = new RawClient(server.port)
      const body = randomBytes(900 * KIB)
      const wanted = `200 ${digestOf(body)}`
      for (const whole of [
        withLength(body, 'Unwanted: 1\r\n'),
        withLength(body),
        inChunks(body, 9000, 'Unwanted: 1\r\n'),
        withLength(body, 'Unwanted: 1\r\n'),
        inChunks(body, 9000),
      ]) {
        const { length } = client.answers
        await client.write(whole)
        await expect.poll(() => client.answers.length, answered).toBe(length + 1)
      }
      const unwanted = '413 unwanted'
      expect(client.answers).toEqual([unwanted, wanted, unwanted, unwanted, wanted])
    })

    it('break the connection off when they are no chunks', async () => {
      await using server = await aServer(bodyOf)
      using client = new RawClient(server.port)
      const whole = inChunks(randomBytes(600 * KIB), 600 * KIB)
      await client.write(Buffer.concat([whole.subarray(0, -5), Buffer.from('no size\r\n')]), [58, 5000 * KIB])
      await expect.poll(() => client.ended, answered).toBe(true)
      expect(server.taken).toEqual([expect.objectContaining({ failed: expect.any(String) })])
    })

    it('break the connection off when nothing moves', async () => {
      await using server = await aServer(bodyOf, { stallMs: 300 })
      using client = new RawClient(server.port)
      await client.write(withLength(randomBytes(900 * KIB)).subarray(0, 500 * KIB))
      await expect.poll(() => client.ended, answered).toBe(true)
      expect(server.taken).toEqual([expect.objectContaining({ failed: expect.any(String) })])
    })

    it('come on many connections at once, each to its own place', async () => {
      await using server = await aServer(bodyOf)
      const clients = Array.from({ length: 8 }, () => new RawClient(server.port))
      await Promise.all(
        clients.map(async (client, at) => {
          const body = randomBytes(2000 * KIB + at)
          await client.write(at % 2 === 0 ? withLength(body) : inChunks(body, 32 * KIB), [50_000 + at])
          await expect.poll(() => client.answers, answered).toEqual([`200 ${digestOf(body)}`])
          client.socket.destroy()
        }),
      )
    })
  })
}
