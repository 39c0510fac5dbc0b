import { readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { handleSockets } from '../sockets/handle-sockets.ts'
import { internalHandles } from '../../os/internal-handles.ts'
import { netSockets } from '../sockets/net-sockets.ts'
import { openSockets } from '../sockets/relay-socket.contract.ts'
import { until } from '../testing.ts'
import { type Course, type Leaving, listening, RelayStage } from './testing-relay.ts'

const handles = internalHandles()
if (typeof handles === 'string') throw new Error(handles)

const openFiles = () => readdirSync('/proc/self/fd').length
setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
const memory = () => {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const leavings: readonly Leaving[] = ['end', 'destroy', 'reset']
const side = fc.record({
  pieces: fc.array(fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 15_000, max: 120_000 })), {
    maxLength: 6,
  }),
  leaving: fc.constantFrom(...leavings),
  readsLate: fc.boolean(),
})
const sum = (pieces: readonly number[]) => pieces.reduce((all, one) => all + one, 0)

describe.each([
  ["Node's own handles", handleSockets(handles), 10_000],
  ['node:net', netSockets, 2000],
])('a connection on %s', (_name, sockets, count) => {
  let stage: RelayStage
  beforeEach(async () => {
    stage = await RelayStage.open(sockets)
  })
  afterEach(() => stage.close())

  const settled = () =>
    until('the relay has nothing left', () => stage.target.waiting === 0 && stage.target.open.first === null)

  it('carries what was sent, in order and whole, whatever both sides send and however they leave', {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ client: side, target: side }), { minLength: 8, maxLength: 16 }),
        async (all) => {
          const seen = await Promise.all(all.map((course) => stage.run(course)))
          for (const [at, { client, target }] of all.entries()) {
            const got = seen[at]
            expect([got?.client.wrong, got?.target.wrong]).toEqual([0, 0])
            expect(got?.client.bytes).toBeLessThanOrEqual(sum(target.pieces))
            expect(got?.target.bytes).toBeLessThanOrEqual(sum(client.pieces))
            if (client.leaving !== 'end' || target.leaving !== 'end') continue
            expect(got).toEqual({
              client: { bytes: sum(target.pieces), wrong: 0, ended: true },
              target: { bytes: sum(client.pieces), wrong: 0, ended: true },
            })
          }
          await settled()
        },
      ),
      { numRuns: 12 },
    )
  })

  it(`leaves no handle, no file and no memory behind after ${count} connections of all kinds`, {
    timeout: 240_000,
  }, async () => {
    const kinds: Course[] = leavings.flatMap((first) =>
      leavings.flatMap((second) =>
        [false, true].map((readsLate) => ({
          client: { pieces: [200], leaving: first, readsLate },
          target: { pieces: readsLate ? [100, 70_000] : [100], leaving: second, readsLate: false },
        })),
      ),
    )
    const runAll = async (courses: number) => {
      let given = 0
      const lane = async () => {
        while (given < courses) {
          const kind = kinds[given++ % kinds.length]
          if (kind !== undefined) await stage.run(kind)
        }
      }
      await Promise.all(Array.from({ length: 40 }, lane))
      await settled()
    }
    const before = { sockets: openSockets(), files: openFiles() }
    await runAll(count / 10)
    const used = memory()
    await runAll(count - count / 10)
    await until('no socket is left', () => openSockets() <= before.sockets)
    await until('no file is left', () => openFiles() <= before.files)
    // One of a connection's objects alone would take more. What Node frees a turn later is waited for.
    await until('no memory is kept', () => (memory() - used) / count < 800)
  })

  it('tells another target of a last word that was heard on the way to the first', async () => {
    const [first, second] = [await listening(), await listening()]
    const heard: string[] = []
    let ends = 0
    first.on('connection', (socket) => {
      socket.on('error', () => {})
      socket.resume().once('end', () => ends++)
    })
    second.on('connection', (socket) => {
      socket.on('data', () => heard.push('bytes'))
      socket.on('end', () => {
        heard.push('end')
        socket.end('bye')
      })
    })
    stage.admit(first)
    const client = stage.client()
    let answer = ''
    client.on('data', (bytes: Buffer) => {
      answer += bytes.toString()
    })
    client.end()
    await until('the first has heard it', () => ends === 1)
    const [connection] = stage.target.open.values()
    stage.admit(second)
    connection?.moveUnused()
    await until('it has its answer', () => answer === 'bye' && client.readableEnded)
    expect(heard).toEqual(['end'])
    for (const server of [first, second]) server.close()
  })

  it('holds no more than a few buffers for a reader that does not read', async () => {
    const client = stage.client()
    const large = await listening()
    let offered = 0
    large.on('connection', (socket) => {
      socket.on('error', () => {})
      const piece = Buffer.alloc(2 ** 20)
      const send = () => {
        offered += piece.length
        if (offered < 2 ** 30) socket.write(piece, (failed) => (failed ? undefined : send()))
      }
      send()
    })
    stage.admit(large)
    client.pause()
    const used = process.memoryUsage().arrayBuffers
    let before = -1
    await until('the sender is held back', () => {
      const still = offered === before && offered > 0
      before = offered
      return still
    })
    expect(offered).toBeLessThan(64 * 2 ** 20)
    expect(process.memoryUsage().arrayBuffers - used).toBeLessThan(8 * 2 ** 20)
    client.destroy()
    large.close()
    await settled()
  })
})
