import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MEDIA_TYPES } from '../../model/descriptor.ts'
import { systemClock } from '../../os/system-clock.ts'
import { describeContentStore } from '../content-store.contract.ts'
import { aBlob, aFolder, anImage, never } from '../testing.ts'
import { openRegistry } from './open-registry.ts'
import { registryClient } from './registry-client.ts'
import { aCertificate, aDockerRegistry, HAS_DOCKER_REGISTRY, HTPASSWD } from './testing-docker-registry.ts'

const PASSWORD = HTPASSWD.password

/** A folder as HOME, with the login for a host and what else the test needs. */
async function aHome(host: string, files: Readonly<Record<string, string>> = {}) {
  const folder = await aFolder()
  const auth = Buffer.from(`kim:${PASSWORD}`).toString('base64')
  const all = { '.docker/config.json': JSON.stringify({ auths: { [host]: { auth } } }), ...files }
  for (const [path, text] of Object.entries(all)) {
    await mkdir(join(folder.path, path, '..'), { recursive: true })
    await writeFile(join(folder.path, path), text)
  }
  return { ...folder, env: { HOME: folder.path } }
}

const open = (host: string, env: Record<string, string>) => openRegistry(host, { clock: systemClock, env })

/** A service that gives tokens to kim, signed as docker-registry wants them, and says what it was asked. */
async function aTokenService({ cert, key }: { cert: string; key: string }) {
  const asked: { url: string; authorization: string | undefined }[] = []
  const x5c = [new X509Certificate(cert).raw.toString('base64')]
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const server = createServer({ cert, key }, (request, response) => {
    asked.push({ url: request.url ?? '', authorization: request.headers.authorization })
    if (request.headers.authorization !== `Basic ${btoa(`kim:${PASSWORD}`)}`) return response.writeHead(401).end()
    const query = new URL(request.url ?? '', 'https://x').searchParams
    const access = query.getAll('scope').map((scope) => {
      const [type, name, actions = ''] = scope.split(':')
      return { type, name, actions: actions.split(',') }
    })
    const now = Math.floor(Date.now() / 1000)
    const claims = { iss: 'naru-test', sub: 'kim', aud: query.get('service'), jti: randomUUID() }
    const head = `${part({ typ: 'JWT', alg: 'ES256', x5c })}.${part({ ...claims, exp: now + 300, nbf: now - 10, iat: now, access })}`
    const signature = sign('sha256', Buffer.from(head), { key: createPrivateKey(key), dsaEncoding: 'ieee-p1363' })
    response.end(JSON.stringify({ token: `${head}.${signature.toString('base64url')}`, expires_in: 300 }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe.skipIf(!HAS_DOCKER_REGISTRY)(
  'docker-registry of Debian (left out where it or openssl is not installed)',
  () => {
    it('finds what refers to an image by the tag that clients keep where a registry has no such list', async () => {
      await using registry = await aDockerRegistry()
      const client = registryClient({ host: registry.host, clock: systemClock })
      const [image, signature] = [await anImage(client, 'shop'), await anImage(client, 'shop')]
      expect(await client.referrers('shop', image.descriptor.digest, never)).toEqual([])
      const manifests = [{ ...signature.descriptor, artifactType: 'application/x-signature' }]
      const mediaType = MEDIA_TYPES.imageIndex
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
      await client.writeManifest('shop', { mediaType, bytes }, [image.descriptor.digest.replace(':', '-')], never)
      expect(await client.referrers('shop', image.descriptor.digest, never)).toEqual(manifests)
      client.close()
    })

    describeContentStore(
      'the client of docker-registry',
      async () => {
        const registry = await aDockerRegistry()
        const store = registryClient({ host: registry.host, clock: systemClock })
        return {
          store,
          [Symbol.asyncDispose]: async () => {
            store.close()
            await registry[Symbol.asyncDispose]()
          },
        }
      },
      { deletesTags: false, sha512: false },
    )

    it('with TLS of its own authority and htpasswd takes and gives an image', async () => {
      await using folder = await aFolder()
      const { certFile, keyFile, cert } = await aCertificate(folder.path)
      const passwords = join(folder.path, 'htpasswd')
      await writeFile(passwords, HTPASSWD.text)
      await using registry = await aDockerRegistry({
        http: `tls: { certificate: ${certFile}, key: ${keyFile} }`,
        auth: `htpasswd: { realm: test, path: ${passwords} }`,
      })
      const { host } = registry
      const tls = JSON.stringify({ [host]: { plainHttp: false } })

      await using distrustful = await aHome(host, { '.config/naru/registries.json': tls })
      const refused = await open(host, distrustful.env)
      await expect(refused.tags('shop', never)).rejects.toMatchObject({
        code: 'REGISTRY_UNREACHABLE',
        hint: expect.stringMatching(/certs\.d\/127\.0\.0\.1:[0-9]+\/ca\.crt.*registries\.json/),
      })
      refused.close()

      const named = JSON.stringify({ [host]: { plainHttp: false, ca: 'own.pem' } })
      for (const files of [
        { '.config/naru/registries.json': named, '.config/naru/own.pem': cert },
        { '.config/naru/registries.json': tls, [`.config/containers/certs.d/${host}/ca.crt`]: cert },
      ]) {
        await using home = await aHome(host, files)
        const store = await open(host, home.env)
        const { descriptor } = await anImage(store, 'team/shop', { tags: ['v1'] })
        expect((await store.readManifest('team/shop', 'v1', never))?.descriptor.digest).toBe(descriptor.digest)
        store.close()
      }
      await using stranger = await aHome('elsewhere.example.com', {
        '.config/naru/registries.json': named,
        '.config/naru/own.pem': cert,
      })
      const anonymous = await open(host, stranger.env)
      await expect(anonymous.tags('team/shop', never)).rejects.toMatchObject({
        code: 'REGISTRY_AUTH_FAILED',
        hint: expect.stringContaining(`naru login ${host}`),
      })
      anonymous.close()
    })

    it('with token authentication takes and gives an image, each call with the scope that it needs', async () => {
      await using folder = await aFolder()
      const certificate = await aCertificate(folder.path)
      await using service = await aTokenService(certificate)
      const { certFile, keyFile } = certificate
      await using registry = await aDockerRegistry({
        http: `tls: { certificate: ${certFile}, key: ${keyFile} }`,
        auth: `token: { realm: 'https://127.0.0.1:${service.port}/token', service: reg, issuer: naru-test, rootcertbundle: ${certFile} }`,
      })
      const { host } = registry
      const settings = JSON.stringify({ [host]: { plainHttp: false, ca: certFile } })
      await using home = await aHome(host, { '.config/naru/registries.json': settings })
      const store = await open(host, home.env)
      const { descriptor } = await anImage(store, 'team/shop', { tags: ['v1'] })
      expect((await store.readManifest('team/shop', 'v1', never))?.descriptor.digest).toBe(descriptor.digest)
      expect(await store.mountBlob('team/other', aBlob().digest, 'team/shop', never)).toBe(false)
      store.close()
      const scopes = service.asked.map(({ url }) => new URL(url, 'https://x').searchParams.getAll('scope').join(' '))
      expect(new Set(scopes)).toEqual(
        new Set([
          'repository:team/shop:pull',
          'repository:team/shop:pull,push',
          'repository:team/other:pull,push repository:team/shop:pull',
        ]),
      )
    })

    it('A9: with a token service of another site shows it a login only when the user named it', async () => {
      await using folder = await aFolder()
      const certificate = await aCertificate(folder.path)
      await using service = await aTokenService(certificate)
      const { certFile, keyFile } = certificate
      const elsewhere = `localhost:${service.port}`
      await using registry = await aDockerRegistry({
        http: `tls: { certificate: ${certFile}, key: ${keyFile} }`,
        auth: `token: { realm: 'https://${elsewhere}/token', service: reg, issuer: naru-test, rootcertbundle: ${certFile} }`,
      })
      const { host } = registry
      const settings = { plainHttp: false, ca: certFile }
      await using wary = await aHome(host, { '.config/naru/registries.json': JSON.stringify({ [host]: settings }) })
      const refused = await open(host, wary.env)
      await expect(anImage(refused, 'shop')).rejects.toMatchObject({
        code: 'REGISTRY_AUTH_FAILED',
        hint: expect.stringContaining(`"tokenService": "${elsewhere}"`),
      })
      refused.close()
      expect(service.asked.map(({ authorization }) => authorization)).toEqual([undefined])

      const trusting = { ...settings, tokenService: elsewhere }
      await using home = await aHome(host, { '.config/naru/registries.json': JSON.stringify({ [host]: trusting }) })
      const store = await open(host, home.env)
      await anImage(store, 'shop', { tags: ['v1'] })
      expect(await store.tags('shop', never)).toEqual(['v1'])
      store.close()
    })
  },
)
