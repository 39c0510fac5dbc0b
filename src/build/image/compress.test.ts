import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { zstdFrames } from '../../lib/zstd-frames.ts'
import { compressed } from './compress.ts'

const SIZE = 9 * 2 ** 20 + 17
const plain = Buffer.alloc(SIZE, 'some text that is compressed, and again ')
const pieces = (size: number) =>
  Readable.from(Array.from({ length: Math.ceil(SIZE / size) }, (_, at) => plain.subarray(at * size, (at + 1) * size)))

async function pack(size: number, how: 'gzip' | 'zstd'): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of compressed(pieces(size), how)) parts.push(part)
  return Buffer.concat(parts)
}

describe('compressing in parts', () => {
  it.each(['gzip', 'zstd'] as const)('%s: the bytes do not depend on how the stream was cut', async (how) => {
    const [one, other] = [await pack(1_000_003, how), await pack(SIZE, how)]
    expect(one.equals(other)).toBe(true)
    expect(one.length).toBeLessThan(SIZE / 50)
  })

  it('gzip: several members are one stream to other readers', async () => {
    const packed = await pack(SIZE, 'gzip')
    expect(gunzipSync(packed).equals(plain)).toBe(true)
    expect(execFileSync('gzip', ['-dc'], { input: packed, maxBuffer: 2 * SIZE }).equals(plain)).toBe(true)
  })

  it('zstd: several frames are one stream to our own reader', async () => {
    const parts: Buffer[] = []
    for await (const part of zstdFrames(Readable.from([await pack(SIZE, 'zstd')]), (what) => new Error(what)))
      parts.push(part)
    expect(Buffer.concat(parts).equals(plain)).toBe(true)
  })

  it.skipIf(!existsSync('/usr/bin/zstd'))('zstd: and to the zstd program (left out without it)', async () => {
    const packed = await pack(SIZE, 'zstd')
    expect(execFileSync('zstd', ['-dc'], { input: packed, maxBuffer: 2 * SIZE }).equals(plain)).toBe(true)
  })

  it('what fails while it is read fails the stream', async () => {
    const failing = Readable.from(
      (async function* () {
        yield plain
        throw new Error('cut')
      })(),
    )
    const all = async () => {
      for await (const part of compressed(failing, 'gzip')) expect(part.length).toBeGreaterThan(0)
    }
    await expect(all()).rejects.toThrow('cut')
  })
})
