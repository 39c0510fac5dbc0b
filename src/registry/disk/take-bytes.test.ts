import { Readable } from 'node:stream'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { streamInflow } from '../body/inflow.ts'
import { takeBytes } from './take-bytes.ts'

const KIB = 1024

/** Takes chunks of these sizes with a writer that is slow at times; answers what came out. */
async function taken(sizes: readonly number[], owned: boolean, slow: (n: number) => boolean) {
  const chunks = sizes.map((size, at) => Buffer.from(new ArrayBuffer(size)).fill(at % 251))
  const whole = Buffer.concat(chunks)
  const out: Buffer[] = []
  let writing = 0
  await takeBytes(streamInflow(Readable.from(chunks, { objectMode: false }), { owned }), {
    each: () => {},
    write: async (piece) => {
      expect(++writing).toBe(1)
      if (slow(out.length)) await new Promise(setImmediate)
      out.push(Buffer.from(piece))
      writing--
    },
  })
  return { whole, out: Buffer.concat(out) }
}

it('writes all bytes in order, one piece at a time, whatever the chunks and however slow', async () => {
  const sizes = fc.array(
    fc.oneof(fc.integer({ min: 1, max: 200 * KIB }), fc.integer({ min: 400 * KIB, max: 1100 * KIB })),
    {
      maxLength: 14,
    },
  )
  await fc.assert(
    fc.asyncProperty(sizes, fc.boolean(), fc.infiniteStream(fc.boolean()), async (list, owned, slow) => {
      const { whole, out } = await taken(list, owned, () => slow.next().value === true)
      expect(out.equals(whole)).toBe(true)
    }),
    { numRuns: 40 },
  )
})

it('writes what came before the source fails, and then fails as it did', async () => {
  const source = new Readable({ read() {} })
  source.push(Buffer.alloc(1000))
  const out: number[] = []
  const taking = takeBytes(streamInflow(source), {
    each: () => setImmediate(() => source.destroy(new Error('torn'))),
    write: async (piece) => void out.push(piece.length),
  })
  await expect(taking).rejects.toThrow('torn')
  expect(out).toEqual([1000])
})

it('fails as the writer does, and leaves the source open', async () => {
  const source = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(300 * KIB)
    })(),
    { objectMode: false },
  )
  const taking = takeBytes(streamInflow(source), { each: () => {}, write: () => Promise.reject(new Error('full')) })
  await expect(taking).rejects.toThrow('full')
  expect(source.destroyed).toBe(false)
  source.destroy()
})

it('fails at once where the source is gone, and ends at once where it has ended', async () => {
  const gone = new Readable({ read() {} }).destroy()
  await expect(takeBytes(streamInflow(gone), { each: () => {}, write: async () => {} })).rejects.toThrow('broke off')
  const ended = Readable.from([])
  for await (const _chunk of ended) {
    // There is none.
  }
  await takeBytes(streamInflow(ended), { each: () => {}, write: async () => {} })
})
