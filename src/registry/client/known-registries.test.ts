import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { createServer as createProxy, type IncomingMessage, request as ask, type ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../os/system-clock.ts'
import { aFolder, anImage, aRegistry, bytesOf, never } from '../testing.ts'
import { openRegistry, tryLoginAt } from './open-registry.ts'
import { aCertificate, HAS_DOCKER_REGISTRY } from './testing-docker-registry.ts'

/** A public registry as its documentation says that it answers. */
interface KnownRegistry {
  /** As in a reference. */
  readonly name: string
  readonly host: string
  /** Where its 401 sends for a token; null: it wants Basic. */
  readonly realm: string | null
  readonly service: string
  /** Where it sends for the bytes of blobs; null: it has them. */
  readonly cdn: string | null
  /** The key of the login in docker's configuration; null: a credential helper. */
  readonly loginKey: string | null
  readonly patched: number
}

const usual = { cdn: null, patched: 202 }
const KNOWN: readonly KnownRegistry[] = [
  {
    ...usual,
    name: 'docker.io',
    host: 'registry-1.docker.io',
    realm: 'https://auth.docker.io/token',
    service: 'registry.docker.io',
    cdn: 'production.cloudflare.docker.com',
    loginKey: 'https://index.docker.io/v1/',
  },
  {
    ...usual,
    name: 'ghcr.io',
    host: 'ghcr.io',
    realm: 'https://ghcr.io/token',
    service: 'ghcr.io',
    cdn: 'pkg-containers.githubusercontent.com',
    loginKey: 'ghcr.io',
  },
  {
    ...usual,
    name: 'registry.gitlab.com',
    host: 'registry.gitlab.com',
    realm: 'https://gitlab.com/jwt/auth',
    service: 'container_registry',
    cdn: 'cdn.registry.gitlab-static.net',
    loginKey: 'registry.gitlab.com',
  },
  {
    ...usual,
    name: 'harbor.example.test',
    host: 'harbor.example.test',
    realm: 'https://harbor.example.test/service/token',
    service: 'harbor-registry',
    loginKey: 'harbor.example.test',
  },
  {
    name: '123456789012.dkr.ecr.eu-west-1.amazonaws.com',
    host: '123456789012.dkr.ecr.eu-west-1.amazonaws.com',
    realm: null,
    service: 'ecr.amazonaws.com',
    cdn: 'prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com',
    loginKey: null,
    patched: 201,
  },
]
const LOGIN = `Basic ${btoa('kim:canary-4711')}`

interface Asked {
  readonly host: string
  readonly authorization: string | undefined
}

/** The part of the internet that a registry is: itself, its token service, its store of blobs; reached by a proxy, as nobody else can be asked here. */
async function anInternet(known: KnownRegistry, content: string, { cert, key }: { cert: string; key: string }) {
  const asked: Asked[] = []
  const [contentHost, contentPort] = content.split(':')
  const pass = (request: IncomingMessage, response: ServerResponse) => {
    const { authorization: _, ...headers } = request.headers
    const to = { host: contentHost, port: contentPort, path: request.url, method: request.method, headers }
    const passed = ask(to, (answer) => {
      const status = request.method === 'PATCH' && answer.statusCode === 202 ? known.patched : answer.statusCode
      response.writeHead(status ?? 502, answer.headers)
      answer.pipe(response)
    })
    request.pipe(passed)
  }
  const server = createServer({ cert, key }, (request, response) => {
    const { host = '', authorization } = request.headers
    const url = new URL(request.url ?? '', `https://${host}`)
    asked.push({ host, authorization })
    if (known.realm !== null && url.href.startsWith(`${known.realm}?`)) giveToken(url, request, response)
    // A signed URL and a header are two ways to ask: S3 refuses that.
    else if (host === known.cdn && authorization === undefined) pass(request, response)
    else if (host !== known.host) response.writeHead(400).end()
    else if (!isLetIn(known, request)) response.writeHead(401, { 'WWW-Authenticate': challenge(known) }).end()
    else if (known.cdn !== null && request.method === 'GET' && url.pathname.includes('/blobs/sha256:')) {
      response.writeHead(307, { Location: `https://${known.cdn}${url.pathname}?signature=x` }).end()
    } else pass(request, response)
  })
  const proxy = createProxy().on('connect', (_request, socket) => {
    const through = connect((server.address() as AddressInfo).port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      through.pipe(socket).pipe(through)
    })
    for (const side of [socket, through]) side.on('error', () => {})
    socket.on('close', () => through.destroy())
  })
  for (const each of [server, proxy]) await once(each.listen(0, '127.0.0.1'), 'listening')
  return {
    asked,
    proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      for (const each of [proxy, server]) await new Promise((resolve) => each.close(resolve))
    },
  }
}

const challenge = ({ realm, host, service }: KnownRegistry) =>
  realm === null
    ? `Basic realm="https://${host}/",service="${service}"`
    : `Bearer realm="${realm}",service="${service}"`

/** The token is what it is good for. */
function giveToken({ searchParams }: URL, { headers }: IncomingMessage, response: ServerResponse): void {
  if (headers.authorization !== LOGIN) return void response.writeHead(401).end()
  const token = Buffer.from(`scopes ${searchParams.getAll('scope').join(' ')}`).toString('base64url')
  response.end(JSON.stringify({ token, expires_in: 300 }))
}

/** Whether a request shows what it needs: the login, or a token for this repository and what is done with it. */
function isLetIn({ realm }: KnownRegistry, { url = '', method = '', headers }: IncomingMessage): boolean {
  if (realm === null) return headers.authorization === LOGIN
  const token = Buffer.from((headers.authorization ?? '').replace('Bearer ', ''), 'base64url').toString()
  if (url === '/v2/') return token.startsWith('scopes ')
  const repository = /^\/v2\/(.+?)\/(?:blobs|manifests|tags)\//.exec(url)?.[1]
  const action = method === 'GET' || method === 'HEAD' ? 'pull' : 'push'
  return token.split(' ').some((scope) => {
    const [, name, actions = ''] = scope.split(':')
    return name === repository && actions.split(',').includes(action)
  })
}

/** A home with the login, in docker's configuration or in a helper that this names for the host. */
async function aHome({ loginKey, host }: KnownRegistry) {
  const folder = await aFolder()
  await mkdir(join(folder.path, '.docker'))
  const auths = loginKey === null ? {} : { [loginKey]: { auth: LOGIN.replace('Basic ', '') } }
  const config = { auths, credHelpers: loginKey === null ? { [host]: 'ecr-login' } : {} }
  await writeFile(join(folder.path, '.docker/config.json'), JSON.stringify(config))
  const helper = join(folder.path, 'docker-credential-ecr-login')
  await writeFile(helper, `#!/bin/sh\ncat > /dev/null\necho '{"Username":"kim","Secret":"canary-4711"}'\n`)
  await chmod(helper, 0o755)
  return folder
}

describe.skipIf(!HAS_DOCKER_REGISTRY)(
  'registries that people have (left out without openssl, for their certificate)',
  () => {
    it.each(KNOWN.map((known) => [known.name, known] as const))('%s takes and gives an image', async (name, known) => {
      await using content = await aRegistry()
      await using home = await aHome(known)
      const hosts = [known.host, known.cdn, known.realm === null ? null : new URL(known.realm).host]
      const certificate = await aCertificate(
        home.path,
        hosts.filter((host) => host !== null),
      )
      await using internet = await anInternet(known, content.host, certificate)
      const PATH = `${home.path}:/usr/bin:/bin`
      const env = { HOME: home.path, PATH, HTTPS_PROXY: internet.proxy, SSL_CERT_FILE: certificate.certFile }
      const store = await openRegistry(name, { clock: systemClock, env })
      const { descriptor, layers } = await anImage(store, 'kim/shop', {
        tags: ['v1'],
        layers: [randomBytes(5_000_000)],
      })
      await anImage(content.store, 'library/node', { tags: ['24'] })
      expect((await store.readManifest('kim/shop', 'v1', never))?.descriptor.digest).toBe(descriptor.digest)
      const [layer] = layers
      expect(await bytesOf(await store.readBlob('kim/shop', layer?.digest ?? '', never))).toHaveLength(layer?.size ?? 0)
      expect(await store.readManifest('node', '24', never).catch(() => null)).toEqual(
        name === 'docker.io' ? expect.anything() : null,
      )
      store.close()

      const login = { username: 'kim', password: 'canary-4711' }
      expect(await tryLoginAt(name, login, { clock: systemClock, env }, never)).toBe(true)
      const wrong = { username: 'kim', password: 'wrong' }
      await expect(tryLoginAt(name, wrong, { clock: systemClock, env }, never)).rejects.toMatchObject({
        code: 'REGISTRY_AUTH_FAILED',
      })

      const shownTo = internet.asked.filter(({ authorization }) => authorization === LOGIN).map(({ host }) => host)
      expect([...new Set(shownTo)]).toEqual([known.realm === null ? known.host : new URL(known.realm).host])
      expect(
        internet.asked.filter(({ host, authorization }) => host === known.cdn && authorization !== undefined),
      ).toEqual([])
      expect(internet.asked.some(({ host }) => host === known.cdn)).toBe(known.cdn !== null)
    })
  },
)
