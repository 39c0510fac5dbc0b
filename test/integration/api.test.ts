import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { type IncomingMessage, request, type RequestOptions } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ErrorBody, SecretsBody } from '../../src/api/responses.ts'
import type { OpenServer } from '../../src/cli/host.ts'
import { FAILURES } from '../../src/model/failure.ts'
import { openServer } from '../../src/main/open-server.ts'

const TOKEN = 'a-token-of-the-tests-only'
const S = '/v1/apps/shop/environments/local'

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
}

let folder: string
let server: OpenServer

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'na-'))
  server = await openServer({ folder, listen: '127.0.0.1:0', token: TOKEN })
})
afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
})

/** One request, over the unix socket unless said otherwise; the path goes out as it is. */
function ask(method: string, path: string, more: RequestOptions & { readonly body?: string } = {}): Promise<Answer> {
  const { body, ...options } = more
  const json = body === undefined ? {} : { 'content-type': 'application/json' }
  const where = options.host === undefined ? { socketPath: server.socket } : {}
  return new Promise((resolve, reject) => {
    const asked = request(
      { ...where, agent: false, timeout: 20_000, ...options, method, path, headers: { ...json, ...options.headers } },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
      },
    )
    asked.on('timeout', () => asked.destroy(new Error(`${method} ${path} was not answered`)))
    asked.on('error', reject)
    asked.end(body)
  })
}

function overTcp(): { host: string; port: string } {
  const { hostname, port } = new URL(server.url ?? '')
  return { host: hostname, port }
}

/** The one failure of an answer in our shape. */
function failureIn({ text }: Answer): ErrorBody['errors'][number] {
  const { errors } = JSON.parse(text) as ErrorBody
  expect(errors).toHaveLength(1)
  const [first] = errors
  if (first === undefined) throw new Error(`no failure: ${text}`)
  expect(Object.hasOwn(FAILURES, first.code), first.code).toBe(true)
  expect(first.hint).not.toBe('')
  return first
}

/** Every route of the API but the registry's, with the parts of its path as asked. */
async function routes(fill: (name: string) => string): Promise<(readonly [method: string, path: string])[]> {
  const { text } = await ask('GET', '/openapi.json')
  const { paths } = JSON.parse(text) as { paths: Record<string, object> }
  return Object.entries(paths)
    .filter(([path]) => !path.startsWith('/v2'))
    .flatMap(([path, methods]) => {
      const filled = path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => fill(name))
      return Object.keys(methods).map((method) => [method.toUpperCase(), filled] as const)
    })
}

/** A body that the route takes. */
function bodyFor(method: string, path: string): { readonly body?: string } {
  if (method === 'GET' || method === 'DELETE') return {}
  if (path.endsWith('/rollback')) return { body: '{"revision":null,"by":"t"}' }
  return { body: path.endsWith('/scale') ? '{"replicas":{"web":1},"by":"t"}' : '{"by":"t"}' }
}

describe('the API', () => {
  it('is on a socket that only its user can open', () => {
    expect(statSync(server.socket).mode & 0o777).toBe(0o600)
  })

  it('answers every route about an app that is not there with a failure in one shape', async () => {
    const asked = (await routes((name) => (name === 'rollout' ? '1' : 'absent'))).filter(([, path]) =>
      path.includes('absent'),
    )
    expect(asked.length).toBeGreaterThan(10)
    for (const [method, path] of asked) {
      const answer = await ask(method, path, bodyFor(method, path))
      // Secrets may be set before the first deploy: there are none yet.
      if (path.endsWith('/secrets')) expect(JSON.parse(answer.text)).toEqual({ secrets: [] })
      else
        expect(failureIn(answer).code, `${method} ${path}: ${answer.text}`).toMatch(
          /_NOT_FOUND$|^ROLLOUT_NOT_RUNNING$|^REQUEST_INVALID$/,
        )
    }
  })

  it('refuses names that could be paths, on every route (A1, A19)', async () => {
    const names = ['..', '%2e%2e', 'a%2fb', '..%2f..%2fetc', '%00', 'a%0ab', '$(id)', '-x', 'UPPER', 'x'.repeat(300)]
    for (const name of names) {
      for (const [method, path] of await routes(() => name)) {
        if (!path.includes(name)) continue
        const answer = await ask(method, path, method === 'GET' || method === 'DELETE' ? {} : { body: '{"by":"t"}' })
        expect(answer.status, `${method} ${path}: ${answer.text}`).toBeGreaterThanOrEqual(400)
        expect(answer.status, `${method} ${path}: ${answer.text}`).toBeLessThan(500)
        failureIn(answer)
      }
    }
  })

  it('refuses paths that leave the registry, in its own shape (A19)', async () => {
    const paths = [
      '/v2/../../etc/passwd',
      '/v2/..%2f..%2fetc/manifests/latest',
      '/v2/a/../../b/manifests/latest',
      '/v2/shop/blobs/sha256:..%2f..%2fid',
      '/v2/shop/blobs/../../id',
      '/v2/shop/manifests/..%2f..',
      '/v2/shop/blobs/uploads/..%2f..%2fid',
      '/v2/%2e%2e/tags/list',
    ]
    for (const path of paths) {
      for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
        const answer = await ask(method, path, method === 'GET' ? {} : { body: 'x' })
        expect(answer.status, `${method} ${path}`).toBeGreaterThanOrEqual(400)
        expect(answer.status, `${method} ${path}`).toBeLessThan(500)
      }
    }
    expect(statSync(join(folder, 'id')).size).toBe(9)
  })

  it.each([
    ['broken JSON', { body: '{"by":' }, 400],
    ['an empty body', { body: '' }, 400],
    ['a body of another shape', { body: '[1,2]' }, 400],
    ['keys of the prototype (A8)', { body: '{"__proto__":{"by":"t"},"by":"t"}' }, 400],
    ['another content type', { body: '<by/>', headers: { 'content-type': 'text/xml' } }, 415],
    ['a body that is too large', { body: JSON.stringify({ by: 'x'.repeat(5_000_000) }) }, 413],
  ] as const)('refuses %s, and says so in its shape', async (_name, more, status) => {
    const answer = await ask('POST', `${S}/stop`, more)
    expect(answer.status, answer.text).toBe(status)
    expect(failureIn(answer).code).toBe('REQUEST_INVALID')
  })

  it('answers what is not there with 404, and a method that is not possible as well', async () => {
    for (const [method, path] of [
      ['GET', '/v1/nothing'],
      ['DELETE', '/v1/apps'],
      ['POST', '/'],
      ['GET', '//v1/apps'],
    ] as const) {
      const answer = await ask(method, path)
      expect(answer.status, `${method} ${path}`).toBe(404)
      failureIn(answer)
    }
  })

  it.each(['abc', '-5', '1e9', 'Infinity', '9'.repeat(400), ''])(
    'tells a stream from its beginning where Last-Event-ID is %j',
    async (header) => {
      const body = {
        file: {
          text: 'app: shop\nimage: absent:1\nenvironments: { local: { engine: embedded } }\n',
          name: 'naru.yaml',
        },
        folderName: 'shop',
        environment: null,
        source: { repository: null, folder: '', ref: null },
        variables: {},
        by: 't',
        image: null,
        revision: null,
        plan: null,
      }
      const begun = await ask('POST', '/v1/deploys', { body: JSON.stringify(body) })
      expect(begun.status, begun.text).toBe(202)
      const { operation } = JSON.parse(begun.text) as { operation: string }
      const headers = { 'last-event-id': header }
      const { text } = await ask('GET', `/v1/operations/${operation}/events`, { headers })
      expect(text).toMatch(/^id: 1\n/)
      expect(text).toContain('event: end\n')
    },
  )

  it('serves others while a client sends a byte now and then', async () => {
    const slow = connect(server.socket)
    slow.on('error', () => {})
    slow.write(`POST ${S}/stop HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`)
    expect(await ask('GET', '/healthz')).toMatchObject({ status: 200 })
    slow.destroy()
  })
})

describe('the API over TCP', () => {
  it.each([
    ['none', {}],
    ['another one', { authorization: 'Bearer nonsense' }],
    ['an empty one', { authorization: 'Bearer ' }],
  ] as const)('answers a token that is %s with 401, on every route', async (_name, headers) => {
    for (const [method, path] of await routes(() => 'shop')) {
      if (path === '/healthz') continue
      const answer = await ask(method, path, { ...overTcp(), headers })
      expect(answer.status, `${method} ${path}`).toBe(401)
      expect(failureIn(answer).code).toBe('TOKEN_INVALID')
    }
  })

  it('asks for Basic credentials at /v2/, and takes the token as the password', async () => {
    const refused = await ask('GET', '/v2/', overTcp())
    expect(refused.status).toBe(401)
    expect(refused.headers['www-authenticate']).toMatch(/^Basic /)
    expect(JSON.parse(refused.text)).toMatchObject({ errors: [{ code: 'UNAUTHORIZED' }] })
    const basic = Buffer.from(`anybody:${TOKEN}`).toString('base64')
    expect(await ask('GET', '/v2/', { ...overTcp(), headers: { authorization: `Basic ${basic}` } })).toMatchObject({
      status: 200,
    })
  })

  it('serves who brings the token, and everybody /healthz', async () => {
    expect(await ask('GET', '/v1/apps', { ...overTcp(), headers: { authorization: `Bearer ${TOKEN}` } })).toMatchObject(
      { status: 200 },
    )
    expect(await ask('GET', '/healthz', overTcp())).toMatchObject({ status: 200 })
  })

  it('tells its numbers to Prometheus, who brings the token', async () => {
    const answer = await ask('GET', '/metrics', { ...overTcp(), headers: { authorization: `Bearer ${TOKEN}` } })
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': expect.stringContaining('text/plain') } })
    expect(answer.text).toMatch(/^# TYPE naru_\w+ \w+$/m)
  })

  it('takes nothing from a client without a token that resets its connection', async () => {
    const body = JSON.stringify({ value: 'evil', by: 'x' })
    for (let attempt = 0; attempt < 20; attempt++) {
      const socket = connect({ ...overTcp(), port: Number(overTcp().port) })
      await new Promise((resolve) => socket.once('connect', resolve))
      socket.on('error', () => {})
      const gone = new Promise((resolve) => socket.once('close', resolve))
      const head = `PUT ${S}/secrets/EVIL_${attempt} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`
      socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`)
      socket.resetAndDestroy()
      await gone
    }
    await ask('GET', '/healthz')
    const { text } = await ask('GET', `${S}/secrets`)
    expect((JSON.parse(text) as SecretsBody).secrets).toEqual([])
  })
})
