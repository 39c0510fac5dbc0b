import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aBlob, anImage, never, putBlob } from '../testing.ts'
import { aGuardedRegistry } from './testing.ts'

type Registry = Awaited<ReturnType<typeof aGuardedRegistry>>
const missing = aBlob().digest

/** One request; `who` is the Authorization header. */
async function ask(registry: Registry, who: string | null, method: string, path: string) {
  const headers = who === null ? {} : { Authorization: who }
  const body = method === 'PUT' || method === 'PATCH' ? 'x' : null
  const answer = await fetch(registry.url + path, { method, headers, body, redirect: 'manual' })
  const kept = [...answer.headers].filter(([name]) => name !== 'date')
  return { status: answer.status, text: await answer.text(), headers: kept }
}

describe('who may not see a repository', () => {
  let registry: Registry
  let who: Record<string, string | null>
  let image: Awaited<ReturnType<typeof anImage>>
  let upload: string
  /** What the store was asked since a test emptied it. */
  const asked: string[] = []
  beforeAll(async () => {
    const note = (name: string, args: readonly unknown[]) =>
      void asked.push([name, ...args.filter((each) => typeof each === 'string')].join(' '))
    registry = await aGuardedRegistry({ anonymous: ['public/**:pull'], asked: note })
    image = await anImage(registry.store, 'secret/app', { tags: ['v1'] })
    await anImage(registry.store, 'public/app', { tags: ['v1'] })
    await registry.robot('owner', 'all')
    const outsider = await registry.robot('outsider', 'own/**:all', 'public/**:pull')
    const scopes = ['secret/app', 'secret/none', 'own/x'].map((name) => `repository:${name}:pull,push,delete`)
    who = {
      'nobody at all': null,
      'an anonymous token': await registry.token(null, ...scopes),
      'an outsider by Basic': outsider,
      'an outsider by token': await registry.token(outsider, ...scopes, 'registry:mount:*', 'registry:catalog:*'),
      'a token that is none': 'Bearer x.y.z',
      'a scheme that is none': 'Digest username="kim"',
      'Basic without a colon': `Basic ${btoa('kim')}`,
    }
    upload = (await registry.store.uploads.begin('secret/app', 'sha256')) ?? ''
  })
  afterAll(() => registry[Symbol.asyncDispose]())

  /** Requests to what is there; what is not there is in `secret/none` and has no other name. */
  const requests = (): [string, string][] => {
    const { descriptor, layers } = image
    const blob = layers[0]?.digest ?? ''
    return [
      ['GET', '/v2/secret/app/tags/list'],
      ['GET', '/v2/secret/app/manifests/v1'],
      ['HEAD', '/v2/secret/app/manifests/v1'],
      ['GET', `/v2/secret/app/manifests/${descriptor.digest}`],
      ['PUT', '/v2/secret/app/manifests/v1'],
      ['DELETE', '/v2/secret/app/manifests/v1'],
      ['DELETE', `/v2/secret/app/manifests/${descriptor.digest}`],
      ['GET', `/v2/secret/app/blobs/${blob}`],
      ['HEAD', `/v2/secret/app/blobs/${blob}`],
      ['DELETE', `/v2/secret/app/blobs/${blob}`],
      ['GET', `/v2/secret/app/referrers/${descriptor.digest}`],
      ['POST', '/v2/secret/app/blobs/uploads/'],
      ['POST', `/v2/secret/app/blobs/uploads/?digest=${blob}`],
      ['POST', `/v2/secret/app/blobs/uploads/?mount=${blob}&from=public/app`],
      ['GET', `/v2/secret/app/blobs/uploads/${upload}`],
      ['PATCH', `/v2/secret/app/blobs/uploads/${upload}`],
      ['PUT', `/v2/secret/app/blobs/uploads/${upload}?digest=${blob}`],
      ['DELETE', `/v2/secret/app/blobs/uploads/${upload}`],
      ['OPTIONS', '/v2/secret/app/tags/list'],
    ]
  }

  it('is answered the same whether it is there or not: status, headers and body, on every route', async () => {
    for (const [name, authorization] of Object.entries(who)) {
      for (const [method, path] of requests()) {
        const there = await ask(registry, authorization, method, path)
        const notThere = await ask(registry, authorization, method, path.replace('secret/app', 'secret/none'))
        expect([401, 403], `${name}: ${method} ${path}`).toContain(there.status)
        // The names are three letters and four: the only difference that there is.
        const asNone = JSON.stringify(there).replaceAll('secret/app', 'secret/none')
        const length = /\["content-length","\d+"\]/g
        expect(asNone.replace(length, ''), `${name}: ${method} ${path}`).toBe(
          JSON.stringify(notThere).replace(length, ''),
        )
      }
    }
    const still = await registry.store.readManifest('secret/app', 'v1', never)
    expect(still?.descriptor.digest).toBe(image.descriptor.digest)
  })

  it('is answered before the store is asked anything, so that the time it takes tells nothing either', async () => {
    asked.length = 0
    for (const authorization of Object.values(who))
      for (const [method, path] of requests()) await ask(registry, authorization, method, path)
    expect(asked).toEqual([])
    // The log would have something: of what may be pulled it has.
    await ask(registry, null, 'GET', '/v2/public/app/manifests/v1')
    expect(asked.length).toBeGreaterThan(0)
  })

  it('has the store asked the same for a mount whether anybody has the blob or not', async () => {
    const mount = async (name: string, digest: string, from: string) => {
      asked.length = 0
      await ask(registry, who[name] ?? null, 'POST', `/v2/own/x/blobs/uploads/?mount=${digest}${from}`)
      return asked.map((each) => each.replace(digest, 'DIGEST'))
    }
    for (const name of ['an outsider by Basic', 'an outsider by token'])
      for (const from of ['&from=secret/app', '&from=secret/none', ''])
        expect(await mount(name, image.layers[0]?.digest ?? '', from)).toEqual(await mount(name, missing, from))
  })

  it('gets no blob of it by mounting, named or not, and is told so in the way in which a blob is missing', async () => {
    const blob = image.layers[0]?.digest ?? ''
    for (const name of ['an outsider by Basic', 'an outsider by token']) {
      const authorization = who[name] ?? null
      for (const from of ['&from=secret/app', '&from=secret/none', '&from=..%2Fsecret', '&from=', '']) {
        const mounted = await ask(registry, authorization, 'POST', `/v2/own/x/blobs/uploads/?mount=${blob}${from}`)
        expect(mounted.status, `${name} ${from}`).toBe(202)
      }
      const never = await ask(registry, authorization, 'POST', `/v2/own/x/blobs/uploads/?mount=${missing}`)
      expect(never.status).toBe(202)
      expect((await ask(registry, authorization, 'HEAD', `/v2/own/x/blobs/${blob}`)).status).toBe(404)
    }
  })

  it('gets no blob of it by a manifest that names it', async () => {
    const authorization = who['an outsider by Basic'] ?? ''
    const put = await fetch(`${registry.url}/v2/own/x/manifests/stolen`, {
      method: 'PUT',
      headers: { Authorization: authorization, 'Content-Type': image.descriptor.mediaType },
      body: image.bytes,
    })
    expect(put.status).toBe(404)
    expect(((await put.json()) as { errors: { code: string }[] }).errors[0]?.code).toBe('MANIFEST_BLOB_UNKNOWN')
  })

  it('does not find it in the catalog', async () => {
    const names = async (authorization: string | null) =>
      JSON.parse((await ask(registry, authorization, 'GET', '/v2/_catalog')).text) as { repositories: string[] }
    expect(await names(null)).toEqual({ repositories: ['public/app'] })
    expect(await names(who['an outsider by Basic'] ?? '')).toEqual({ repositories: ['public/app'] })
    expect(await names(who['an outsider by token'] ?? '')).toEqual({ repositories: ['public/app'] })
    const all = await names(await registry.robot('reader', 'pull'))
    expect(all.repositories).toEqual(expect.arrayContaining(['public/app', 'secret/app']))
  })

  it('pulls what anybody may, and only that', async () => {
    for (const name of ['nobody at all', 'an outsider by Basic'])
      expect((await ask(registry, who[name] ?? null, 'GET', '/v2/public/app/manifests/v1')).status).toBe(200)
    const token = await registry.token(null, 'repository:public/app:pull,push')
    expect((await ask(registry, token, 'GET', '/v2/public/app/manifests/v1')).status).toBe(200)
    expect((await ask(registry, token, 'DELETE', '/v2/public/app/manifests/v1')).status).toBe(401)
    expect((await ask(registry, null, 'DELETE', '/v2/public/app/manifests/v1')).status).toBe(401)
  })
})

describe('rights', () => {
  it('are those of each action: who may pull may not push, who may push may not delete', async () => {
    await using registry = await aGuardedRegistry()
    const { layers } = await anImage(registry.store, 'team/app', { tags: ['v1'] })
    const blob = layers[0]?.digest ?? ''
    const routes: [string, string, string][] = [
      ['pull', 'GET', '/v2/team/app/manifests/v1'],
      ['pull', 'GET', `/v2/team/app/referrers/${blob}`],
      ['pull', 'HEAD', `/v2/team/app/blobs/${blob}`],
      ['push', 'POST', '/v2/team/app/blobs/uploads/'],
      ['push', 'PUT', '/v2/team/app/manifests/v2'],
      ['delete', 'DELETE', `/v2/team/app/blobs/${blob}`],
      ['delete', 'DELETE', '/v2/team/app/manifests/v1'],
    ]
    const may: Record<string, readonly string[]> = {
      pull: ['pull'],
      push: ['pull', 'push'],
      delete: ['pull', 'delete'],
    }
    for (const [right, actions] of Object.entries(may)) {
      const basic = await registry.robot(right, `team/*:${right}`)
      const token = await registry.token(basic, 'repository:team/app:*')
      for (const authorization of [basic, token]) {
        for (const [action, method, path] of routes.filter(([, method]) => method !== 'DELETE' || right !== 'delete')) {
          const { status } = await ask(registry, authorization, method, path)
          expect(status === 401 || status === 403, `${right}: ${method} ${path}: ${status}`).toBe(
            !actions.includes(action),
          )
        }
      }
    }
    const deleter = await registry.robot('cleaner', 'team/app:delete')
    expect((await ask(registry, deleter, 'DELETE', '/v2/team/app/manifests/v1')).status).toBe(202)
  })

  it('let a blob be mounted from where it may be pulled, and without a name from all of that', async () => {
    await using registry = await aGuardedRegistry()
    const blob = await putBlob(registry.store, 'team/base', aBlob().bytes)
    const basic = await registry.robot('ci', 'team/**:push')
    const scopes = ['repository:team/app:pull,push', 'repository:team/base:pull']
    const mounts = async (authorization: string, from: string) =>
      (await ask(registry, authorization, 'POST', `/v2/team/app/blobs/uploads/?mount=${blob.digest}${from}`)).status
    expect(await mounts(await registry.token(basic, scopes[0] ?? ''), '&from=team/base')).toBe(202)
    expect(await mounts(await registry.token(basic, scopes[0] ?? ''), '')).toBe(202)
    for (const authorization of [
      basic,
      await registry.token(basic, ...scopes),
      await registry.token(basic, scopes[0] ?? '', 'registry:mount:*'),
    ])
      expect(await mounts(authorization, '')).toBe(201)
    expect(await mounts(await registry.token(basic, ...scopes), '&from=team/base')).toBe(201)
    const challenged = await fetch(`${registry.url}/v2/team/app/blobs/uploads/?mount=${blob.digest}&from=team/base`, {
      method: 'POST',
    })
    expect(challenged.headers.get('www-authenticate')).toContain(
      `scope="${scopes.join(' ').replace('pull,push', 'pull,push')}"`,
    )
  })
})

describe('the first request of a client', () => {
  it('is asked for a token with the realm by which it came, as docker wants it', async () => {
    await using registry = await aGuardedRegistry({ anonymous: ['pull'] })
    const { host, access } = registry
    const challenge = async (headers: Record<string, string>) =>
      (await fetch(`http://${host}/v2/`, { headers })).headers.get('www-authenticate')
    expect(await challenge({})).toBe(`Bearer realm="http://${host}/token",service="${access.issuer.aud}"`)
    expect(await challenge({ 'X-Forwarded-Proto': 'https' })).toContain(`realm="https://${host}/token"`)
    expect((await fetch(`http://${host}/v2/`, { headers: { Authorization: await registry.token(null) } })).status).toBe(
      200,
    )
  })

  it('is let in where anybody may do all', async () => {
    await using registry = await aGuardedRegistry({ anonymous: ['all'] })
    expect((await fetch(`${registry.url}/v2/`)).status).toBe(200)
  })
})

describe('A19: paths that try to be others', () => {
  const digest = missing
  const names = [
    '..',
    '../../etc',
    'a/../secret',
    './secret',
    'secret/.',
    'secret//app',
    'SECRET',
    'secret/_tags',
    'a\\b',
    'a%00b',
  ]
  const paths = [
    ...names.flatMap((name) => [`/v2/${name}/manifests/v1`, `/v2/${name}/tags/list`, `/v2/${name}/blobs/${digest}`]),
    '/v2/own/%2e%2e/secret/app/manifests/v1',
    '/v2/own%2f..%2fsecret%2fapp/manifests/v1',
    '/v2/own/x/manifests/..%2f..%2fsecret%2fapp',
    `/v2/own/x/blobs/sha256:..%2f..%2f${'a'.repeat(58)}`,
    `/v2/own/x/blobs/${digest.toUpperCase()}`,
    '/v2//own/x/manifests/v1',
    '/v2/own/x/manifests/v1/../../../../secret/app/manifests/v1',
    '/v2/%',
  ]

  it('are nothing for whoever has not logged in but a challenge, and never lead elsewhere for who has', async () => {
    await using registry = await aGuardedRegistry()
    await anImage(registry.store, 'secret/app', { tags: ['v1'] })
    const own = await registry.robot('outsider', 'own/**:all')
    // As a path it is sent raw: fetch would tidy it.
    const { request } = await import('node:http')
    const status = (path: string, authorization: string | null) =>
      new Promise<number>((resolve, reject) => {
        const headers = authorization === null ? {} : { authorization }
        const [hostname, port] = registry.host.split(':')
        request({ hostname, port, path, headers, agent: false }, (answer) => {
          answer.resume()
          resolve(answer.statusCode ?? 0)
        })
          .on('error', reject)
          .end()
      })
    for (const path of paths) {
      expect(await status(path, null), path).toBe(401)
      expect([400, 403, 404], path).toContain(await status(path, own))
    }
  })
})
