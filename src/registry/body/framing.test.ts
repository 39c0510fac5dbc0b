import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ChunkFraming, type Framing, LengthFraming } from './framing.ts'

/** Gives the bytes in reads of these sizes; answers the body and what was left over. */
function read(framing: Framing, bytes: Buffer, sizes: readonly number[]) {
  const body: Buffer[] = []
  let at = 0
  for (let n = 0; at < bytes.length && !framing.ended; n++) {
    const part = bytes.subarray(at, at + (sizes[n % sizes.length] ?? 1))
    const { parts, used } = framing.split(part)
    body.push(...parts.map(({ at: start, size }) => Buffer.from(part.subarray(start, start + size))))
    expect(used === part.length || framing.ended).toBe(true)
    at += used
  }
  return { body: Buffer.concat(body), left: bytes.subarray(at) }
}

const NEXT = Buffer.from('GET / HTTP/1.1\r\n\r\n')
const reads = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 })

it('finds a body by its length, and leaves what follows', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), reads, (bytes, sizes) => {
      const framing = new LengthFraming(bytes.length)
      const { body, left } = read(framing, Buffer.concat([bytes, NEXT]), sizes)
      expect(body).toEqual(Buffer.from(bytes))
      expect(framing.ended).toBe(true)
      expect(NEXT.subarray(NEXT.length - left.length).equals(left)).toBe(true)
    }),
  )
})

describe('a body in chunks', () => {
  const chunk = fc.record({
    bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    upper: fc.boolean(),
    zeros: fc.integer({ min: 0, max: 6 }),
    extension: fc.constantFrom('', ';a', ';a=b', ' ;name="value of some length that is not looked at"'),
  })
  const trailers = fc.array(fc.constantFrom('A: b', 'Expires: Wed, 21 Oct 2026 07:28:00 GMT'), { maxLength: 2 })

  it('is found however it is cut, and what follows is left', () => {
    fc.assert(
      fc.property(fc.array(chunk), trailers, reads, (chunks, lines, sizes) => {
        const sized = chunks.flatMap(({ bytes, upper, zeros, extension }) => {
          const hex = bytes.length.toString(16)
          const line = `${'0'.repeat(zeros)}${upper ? hex.toUpperCase() : hex}${extension}\r\n`
          return [Buffer.from(line), bytes, Buffer.from('\r\n')]
        })
        const end = Buffer.from(`0\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`)
        const framing = new ChunkFraming()
        const { body, left } = read(framing, Buffer.concat([...sized, end, NEXT]), sizes)
        expect(body).toEqual(Buffer.concat(chunks.map(({ bytes }) => bytes)))
        expect(framing.ended).toBe(true)
        expect(NEXT.subarray(NEXT.length - left.length).equals(left)).toBe(true)
      }),
    )
  })

  it.each([
    ['no number', 'xyz\r\n'],
    ['nothing', '\r\n'],
    ['a number below zero', '-1\r\n'],
    ['a number and something else', '1x\r\n'],
    ['white space', ' \r\n'],
    ['more than a number can say', 'ffffffffffffffffff\r\n'],
    ['bytes after a chunk that do not belong to it', '0a\r\n0123456789aa\r\n'],
  ])('has neither parts nor an end after %s for a size', (_name, bytes) => {
    const framing = new ChunkFraming()
    framing.split(Buffer.from(bytes))
    const rest = Buffer.from('1\r\na\r\n0\r\n\r\n')
    expect(framing.split(rest)).toEqual({ parts: [], used: rest.length })
    expect(framing.ended).toBe(false)
  })
})
