import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { digestOf } from '../../src/registry/digest.ts'
import { peakMb, serveNaru } from '../bench/harness/registries.ts'

const MB = 2 ** 20
const READERS = 500
let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'naru-slow-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Asks for a blob, takes the first bytes of the answer, and reads no more. */
async function aSlowReader(host: string, path: string): Promise<Socket> {
  const [name = '', port = ''] = host.split(':')
  const socket = connect({ host: name, port: Number(port) }).on('error', () => {})
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await once(socket, 'data')
  return socket.pause()
}

it('A14: hundreds of clients that do not read what they asked for take little memory, and others are served', async () => {
  const bytes = Buffer.alloc(20 * MB, 'layer')
  const path = `/v2/shop/blobs/${digestOf(bytes)}`
  {
    await using registry = await serveNaru(folder)
    const upload = `http://${registry.host}/v2/shop/blobs/uploads/?digest=${digestOf(bytes)}`
    expect((await fetch(upload, { method: 'POST', body: bytes })).status).toBe(201)
  }
  // Nobody has read it since this start: it is checked while it is sent.
  await using registry = await serveNaru(folder)
  const before = peakMb(registry.pid)
  const readers = await Promise.all(Array.from({ length: READERS }, () => aSlowReader(registry.host, path)))
  const whole = await fetch(`http://${registry.host}${path}`)
  expect(digestOf(Buffer.from(await whole.arrayBuffer()))).toBe(digestOf(bytes))
  // Without a limit 500 of them take 250 MB and more.
  expect(peakMb(registry.pid) - before).toBeLessThan(180)
  for (const reader of readers) reader.destroy()
}, 120_000)
