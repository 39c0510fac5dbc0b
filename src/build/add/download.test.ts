import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { never } from '../testing.ts'
import { download, DOWNLOAD_LIMITS, type Environment } from './download.ts'

let folder: string
const servers: Server[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'naru-download-'))
})
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
  rmSync(folder, { recursive: true })
})

async function listening(answer: RequestListener): Promise<number> {
  const server = createServer(answer)
  servers.push(server)
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  return (server.address() as AddressInfo).port
}

async function got(url: string, env: Environment = {}): Promise<string> {
  const path = join(folder, 'file')
  rmSync(path, { force: true })
  await download({ url: new URL(url), path, known: null, limits: DOWNLOAD_LIMITS, env }, never)
  return readFileSync(path, 'utf8')
}

/** A proxy for whose clients public.example leads to `location`, and everything else answers with what it was asked for. */
const aProxy = (location: string) =>
  listening(({ url = '' }, response) => {
    if (new URL(url).hostname === 'public.example') response.writeHead(302, { location }).end()
    else response.end(`by the proxy: ${url}`)
  })

it.each(['127.0.0.1', 'localhost'])(
  'does not let a public server behind the proxy %s lead it to this machine (A9)',
  async (name) => {
    const inside = await listening((_, response) => response.end('a secret of this machine'))
    const proxy = await aProxy(`http://127.0.0.1:${inside}/admin`)
    const env = { HTTP_PROXY: `http://${name}:${proxy}`, NO_PROXY: '127.0.0.1' }
    await expect(got('http://public.example/x', env)).rejects.toThrow('an address that a build may not ask')
  },
)

it.each(['127.0.0.1', 'localhost'])(
  'follows a public server behind the proxy %s to another public one',
  async (name) => {
    const proxy = await aProxy('http://other.example/file')
    const env = { HTTP_PROXY: `http://${name}:${proxy}` }
    expect(await got('http://public.example/x', env)).toBe('by the proxy: http://other.example/file')
  },
)

it('lets a server of this machine, asked for by its name, lead to this machine', async () => {
  const last = await listening((_, response) => response.end('here'))
  const first = await listening((_, response) =>
    response.writeHead(302, { location: `http://127.0.0.1:${last}/` }).end(),
  )
  expect(await got(`http://localhost:${first}/`)).toBe('here')
})

it('looks up where a public server leads, and goes to no name of this machine', async () => {
  const inside = await listening((_, response) => response.end('a secret of this machine'))
  const proxy = await aProxy(`http://localhost:${inside}/admin`)
  const env = { HTTP_PROXY: `http://127.0.0.1:${proxy}`, NO_PROXY: 'localhost' }
  await expect(got('http://public.example/x', env)).rejects.toThrow('an address that a build may not ask')
})

it.each(['http://169.254.169.254/', 'http://[fd00:ec2::254]/'])('asks no metadata service: %s', async (location) => {
  await expect(got(location)).rejects.toThrow('an address that a build may not ask')
  const first = await listening((_, response) => response.writeHead(302, { location }).end())
  await expect(got(`http://127.0.0.1:${first}/`)).rejects.toThrow('an address that a build may not ask')
})
