import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, request as ask, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../os/system-clock.ts'
import { aBlob, aFolder, anImage, aRegistry, bytesOf, never, putBlob } from '../testing.ts'
import { openRegistry } from './open-registry.ts'
import { registryClient } from './registry-client.ts'
import { proxyFor } from './settings/proxy-for.ts'
import { aCertificate, HAS_DOCKER_REGISTRY } from './testing-docker-registry.ts'
import { cleanUp, play } from './testing-play.ts'

let home = new AsyncDisposableStack()
afterEach(async () => {
  await home.disposeAsync()
})

/** The registry as it is opened with this registries.json. */
async function opened(host: string, settings: object | string, env: Record<string, string> = {}) {
  home = new AsyncDisposableStack()
  const folder = home.use(await aFolder())
  await mkdir(join(folder.path, 'naru'))
  const text = typeof settings === 'string' ? settings : JSON.stringify(settings)
  await writeFile(join(folder.path, 'naru/registries.json'), text)
  const all = { HOME: folder.path, XDG_CONFIG_HOME: folder.path, ...env }
  const store = await openRegistry(host, { clock: systemClock, env: all })
  home.defer(() => store.close())
  return store
}

describe('registries.json', () => {
  it.each([
    ['no JSON', '{', /no JSON/],
    ['no object', '[]', /registries.json/],
    ['a host that is a URL', { 'https://reg.example.com': {} }, /host/],
    ['a key that nobody knows', { 'reg.example.com': { insecure: true } }, /insecure/],
    ['a value of another kind', { 'reg.example.com': { plainHttp: 'yes' } }, /plainHttp/],
    ['a mirror that is a URL', { 'reg.example.com': { mirrors: ['https://m.example.com'] } }, /mirrors/],
    ['an authority that is not there', { 'reg.example.com': { ca: 'none.pem' } }, /none\.pem.*ENOENT/],
    ['an authority that is no certificate', { 'reg.example.com': { ca: 'registries.json' } }, /no certificate/],
  ])('with %s is refused, with its place', async (_, settings, message) => {
    await expect(opened('reg.example.com', settings)).rejects.toMatchObject({
      code: 'REGISTRY_SETTINGS_INVALID',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(/docs\/registries\.md/),
    })
  })
})

async function written(folder: string, settings: object): Promise<string> {
  const path = join(folder, 'registries.json')
  await writeFile(path, JSON.stringify(settings))
  return path
}

describe('mirrors', () => {
  it('are read first, with the prefix that is written; what they lack comes from the registry', async () => {
    await using mirror = await aRegistry()
    await using registry = await aRegistry()
    const both = await anImage(mirror.store, 'hub/team/shop', { tags: ['v1'] })
    await anImage(registry.store, 'team/shop', { tags: ['v1'] })
    const own = await anImage(registry.store, 'team/shop', { tags: ['v2'] })
    const store = await opened(registry.host, { [registry.host]: { mirrors: [`${mirror.host}/hub`] } })
    expect((await store.readManifest('team/shop', 'v1', never))?.descriptor.digest).toBe(both.descriptor.digest)
    const [layer] = own.layers
    expect((await store.readManifest('team/shop', 'v2', never))?.descriptor.digest).toBe(own.descriptor.digest)
    expect(await bytesOf(await store.readBlob('team/shop', layer?.digest ?? '', never))).toHaveLength(layer?.size ?? 0)
    expect(await store.readManifest('team/shop', 'v3', never)).toBeNull()
  })

  it('have the official images of Docker Hub under library/', async () => {
    await using mirror = await aRegistry()
    const { descriptor } = await anImage(mirror.store, 'library/node', { tags: ['24'] })
    for (const host of ['docker.io', 'index.docker.io']) {
      const store = await opened(host, { 'docker.io': { mirrors: [mirror.host] } })
      expect((await store.readManifest('node', '24', never))?.descriptor.digest).toBe(descriptor.digest)
      await home.disposeAsync()
    }
  })

  it('that break off in the middle of a blob are helped out by the registry', async () => {
    await using registry = await aRegistry()
    const blob = aBlob(3_000_000)
    await putBlob(registry.store, 'shop', blob.bytes)
    const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
      refuses: (response) => response.writeHead(403).end(),
      lies: (response) => response.writeHead(206, { 'Content-Range': 'bytes 0-0/1' }).end('x'),
    }
    for (const answer of Object.values(answers)) {
      const mirror = createServer((request, response) => {
        if (request.headers.range !== undefined) return answer(response)
        response.writeHead(200, { 'Content-Length': blob.size })
        response.write(blob.bytes.subarray(0, 1_000_000), () => setImmediate(() => response.destroy()))
      })
      await once(mirror.listen(0, '127.0.0.1'), 'listening')
      const mirrors = [`127.0.0.1:${(mirror.address() as AddressInfo).port}`]
      const store = await opened(registry.host, { [registry.host]: { mirrors } })
      expect((await bytesOf(await store.readBlob('shop', blob.digest, never))).equals(blob.bytes)).toBe(true)
      await home.disposeAsync()
      mirror.closeAllConnections()
      mirror.close()
    }
  })

  it('that are not there are passed over, and never written to', async () => {
    await using gone = await aRegistry()
    await using registry = await aRegistry()
    await gone[Symbol.asyncDispose]()
    await using mirror = await aRegistry()
    const store = await opened(registry.host, { [registry.host]: { mirrors: [gone.host, mirror.host] } })
    const { descriptor } = await anImage(store, 'team/shop', { tags: ['v1'] })
    expect((await store.readManifest('team/shop', 'v1', never))?.descriptor.digest).toBe(descriptor.digest)
    expect(await mirror.store.tags('team/shop', never)).toEqual([])
    expect(await registry.store.tags('team/shop', never)).toEqual(['v1'])
  })
})

describe.skipIf(!HAS_DOCKER_REGISTRY)('A9: a registry with TLS (left out without openssl, for its certificate)', () => {
  it('sees the certificate of certs.d that says who we are, and nobody else does', async () => {
    await using folder = await aFolder()
    const { cert, key, certFile } = await aCertificate(folder.path)
    const shown: string[] = []
    const tls = { cert, key, ca: cert, requestCert: true, rejectUnauthorized: false }
    const serve = async (name: string, answer: (response: ServerResponse) => void) => {
      const server = createTlsServer(tls, ({ socket }, response) => {
        if ((socket as TLSSocket).authorized) shown.push(name)
        answer(response)
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const close = () => {
        server.closeAllConnections()
        server.close()
      }
      return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, close }
    }
    const other = await serve('other', (response) => response.writeHead(404).end())
    const Location = `https://${other.host}/x`
    const registry = await serve('registry', (response) => response.writeHead(307, { Location }).end())
    const certificates = join(folder.path, 'containers/certs.d', registry.host)
    await mkdir(certificates, { recursive: true })
    const files = [['ca.crt', cert] as const, ['us.cert', cert] as const, ['us.key', key] as const]
    for (const [name, text] of files) await writeFile(join(certificates, name), text)
    const settings = { [registry.host]: { plainHttp: false, ca: certFile } }
    const store = await opened(registry.host, settings, {
      XDG_CONFIG_HOME: folder.path,
      NARU_REGISTRIES: await written(folder.path, settings),
    })
    expect(await store.readManifest('shop', 'v1', never)).toBeNull()
    expect(shown).toEqual(['registry'])
    for (const { close } of [other, registry]) close()
  })

  it.each(['http://127.0.0.1:1/x', 'https://169.254.169.254/x', 'http://localhost:1/x'])(
    'that leads to %s is not followed, and the login is not shown',
    async (location) => {
      await using folder = await aFolder()
      const { cert, key, certFile } = await aCertificate(folder.path)
      let asked = 0
      const server = createTlsServer({ cert, key }, (_request, response) => {
        asked++
        response.writeHead(307, { Location: location }).end()
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
      const store = await opened(host, { [host]: { plainHttp: false, ca: certFile } })
      await expect(store.readManifest('shop', 'v1', never)).rejects.toMatchObject({ code: 'REGISTRY_REFUSED' })
      expect(asked).toBe(1)
      server.closeAllConnections()
      server.close()
    },
  )
})

/** A proxy that does what it is asked, for a login where one is wanted; names lead to `target`. */
async function aProxy(target: string, wants?: string) {
  const seen: string[] = []
  const [host = '', port = ''] = target.split(':')
  const mayUse = ({ headers }: IncomingMessage) =>
    wants === undefined || headers['proxy-authorization'] === `Basic ${btoa(wants)}`
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`)
    if (!mayUse(request)) return response.writeHead(407).end()
    const { pathname, search } = new URL(request.url ?? '')
    const { method, headers } = request
    const passed = ask({ host, port, path: `${pathname}${search}`, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    request.pipe(passed)
  })
  server.on('connect', (request, socket) => {
    seen.push(`CONNECT ${request.url}`)
    if (!mayUse(request)) return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
    const through = connect(Number(port), host, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    for (const side of [socket, through]) side.on('error', () => {})
    through.pipe(socket).pipe(through)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: (login = '') => `http://${login}127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('proxies of the environment', () => {
  it('carry what goes to other machines, with the login that stands in the variable', async () => {
    await using registry = await aRegistry()
    const { descriptor } = await anImage(registry.store, 'shop', { tags: ['v1'] })
    await using proxy = await aProxy(registry.host, 'kim:canary-4711')
    const env = { HTTP_PROXY: proxy.url('kim:canary-4711@') }
    const store = await opened('reg.example.test', { 'reg.example.test': { plainHttp: true } }, env)
    expect((await store.readManifest('shop', 'v1', never))?.descriptor.digest).toBe(descriptor.digest)
    expect(proxy.seen).toEqual(['GET http://reg.example.test/v2/shop/manifests/v1'])
  })

  it('A10: that refuse are told without the password', async () => {
    await using registry = await aRegistry()
    await using proxy = await aProxy(registry.host, 'kim:another')
    const store = await opened('reg.example.test', {}, { HTTPS_PROXY: proxy.url('kim:canary-4711@') })
    const failed: unknown = await store.tags('shop', never).catch((reason: unknown) => reason)
    expect(failed).toMatchObject({ code: 'REGISTRY_UNREACHABLE', hint: expect.stringMatching(/HTTPS_PROXY/) })
    const { message, hint, stack, cause, detail } = failed as Error & Record<string, unknown>
    expect(JSON.stringify([message, hint, stack, String(cause), detail])).not.toContain('canary')
    expect(proxy.seen).toContain('CONNECT reg.example.test:443')
  })

  it('are not asked for this machine, nor for what NO_PROXY names', async () => {
    await using registry = await aRegistry()
    await anImage(registry.store, 'shop', { tags: ['v1'] })
    await using proxy = await aProxy(registry.host)
    const store = await opened(registry.host, {}, { HTTP_PROXY: proxy.url(), HTTPS_PROXY: proxy.url() })
    expect(await store.tags('shop', never)).toEqual(['v1'])
    expect(proxy.seen).toEqual([])
  })

  it.each(['localhost', '127.0.0.1'])(
    'do not let a registry behind them lead to this machine, as %s (A9)',
    async (name) => {
      const inside = await play((_, response) => response.end('a secret of this machine'))
      const port = inside.host.split(':')[1]
      const registry = await play((_, response) =>
        response.writeHead(307, { Location: `http://${name}:${port}/x` }).end(),
      )
      await using proxy = await aProxy(registry.host)
      const env = { HTTP_PROXY: proxy.url() }
      const store = await opened('reg.example.test', { 'reg.example.test': { plainHttp: true } }, env)
      const reading = store.readBlob('shop', `sha256:${'a'.repeat(64)}`, never).then(bytesOf)
      await expect(reading).rejects.toMatchObject({ code: 'REGISTRY_REFUSED' })
      expect(registry.seen.length).toBeGreaterThan(0)
      expect(inside.seen).toEqual([])
      await cleanUp()
    },
  )

  it('that fall silent are given up after the time for silence', async () => {
    const silent = createServer().on('connect', () => {})
    await once(silent.listen(0, '127.0.0.1'), 'listening')
    const env = { HTTPS_PROXY: `127.0.0.1:${(silent.address() as AddressInfo).port}` }
    const agents = { authorities: [], client: null, proxyOf: (url: URL) => proxyFor(url, env) }
    const client = registryClient({ host: 'reg.example.test', clock: systemClock, agents, stallMs: 200, tries: 1 })
    await expect(client.tags('shop', never)).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
    client.close()
    silent.closeAllConnections()
    silent.close()
  })
})
