import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { type Binding, internalHandles } from '../../os/internal-handles.ts'
import { chooseBodies } from './choose-bodies.ts'
import { describeBodies } from './request-body.contract.ts'
import { aServer, inChunks, RawClient, withLength } from './testing.ts'
import { tryOut } from './try-out.ts'

const notes: string[] = []
const note = (message: string) => void notes.push(message)

describeBodies('from handles', chooseBodies('handles', note))
describeBodies('as streams', chooseBodies('streams', note))

it('come from handles without a word of Node after their head, the second time as well', async () => {
  await using server = await aServer(chooseBodies('handles', note))
  using client = new RawClient(server.port)
  const body = randomBytes(900_000)
  const expecting = 'Expect: 100-continue\r\n'
  for (const whole of [withLength(body, expecting), inChunks(body, 10_000, expecting), withLength(body, expecting)]) {
    const head = whole.indexOf('\r\n\r\n') + 4
    const { length } = server.taken
    await client.write(whole.subarray(0, head))
    await expect.poll(() => client.continued, { timeout: 30_000 }).toBe(length + 1)
    await client.write(whole.subarray(head))
    await expect.poll(() => server.taken.length, { timeout: 30_000 }).toBe(length + 1)
  }
  expect(server.taken).toEqual(Array(3).fill({ size: 900_000, failed: null, isQuiet: true }))
  expect(notes).toEqual([])
})

const real = (process as unknown as { readonly binding: Binding }).binding

it('come as streams where Node has no such handles, and it is told why', async () => {
  const told: string[] = []
  const bodyOf = chooseBodies(
    'handles',
    (message) => told.push(message),
    () => ({}),
  )
  expect(told).toEqual([expect.stringContaining(`Node ${process.versions.node}: no class TCP`)])
  await using server = await aServer(bodyOf)
  using client = new RawClient(server.port)
  await client.write(withLength(randomBytes(900_000)))
  await expect.poll(() => server.taken, { timeout: 30_000 }).toEqual([{ size: 900_000, failed: null, isQuiet: false }])
})

it('come as streams where bodies from handles are not what was sent, and it is told why', {
  timeout: 60_000,
}, async () => {
  const told: string[] = []
  // How much was read is told by another number.
  const binding: Binding = (name) => (name === 'stream_wrap' ? { ...real(name), kReadBytesOrError: 1 } : real(name))
  const bodyOf = chooseBodies('handles', (message) => told.push(message), binding)
  await using server = await aServer(bodyOf)
  using client = new RawClient(server.port)
  await client.write(withLength(randomBytes(900_000)))
  await expect
    .poll(() => server.taken, { timeout: 30_000 })
    .toEqual([expect.objectContaining({ size: 900_000, failed: null })])
  expect(told).toEqual([expect.stringContaining('uploads go by streams')])
})

it('are as they should be on this Node', async () => {
  const found = internalHandles()
  expect(typeof found === 'string' ? found : await tryOut(found)).toBeNull()
})
