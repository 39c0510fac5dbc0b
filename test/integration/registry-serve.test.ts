import { existsSync } from 'node:fs'
import { request as plainRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { once } from 'node:events'
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { digestOf } from '../../src/registry/digest.ts'
import { aCertificate } from '../../src/registry/client/testing-docker-registry.ts'
import { bytesOf } from '../../src/registry/testing.ts'
import { CliStage, jsonLines } from './cli-stage.ts'
import { aServedRegistry, basic } from './served-registry.ts'

const stages: CliStage[] = []
function aStage(): CliStage {
  const stage = CliStage.open()
  stages.push(stage)
  return stage
}
afterEach(async () => {
  for (const stage of stages.splice(0)) expect(await stage.close()).toEqual([])
})

const BLOB = Buffer.from('what a layer may be')
const UPLOAD = `/v2/shop/blobs/uploads/?digest=${digestOf(BLOB)}`

/** A request whose body is sent by the test, piece by piece. */
function begun(url: string, headers: Record<string, string | number>): ClientRequest {
  return plainRequest(url, { method: 'POST', agent: false, headers })
}

const answerTo = async (request: ClientRequest): Promise<IncomingMessage> => {
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  await bytesOf(answer)
  return answer
}

describe('naru registry serve', () => {
  const refusing = CliStage.open()
  afterAll(async () => {
    expect(await refusing.close()).toEqual([])
  })

  it('serves /v2/ and /healthz, and nothing else', async () => {
    await using registry = await aServedRegistry(aStage(), ['--anonymous', 'all'])
    expect(registry.serving).toMatchObject({ kind: 'serving', anonymous: ['all'], url: /^http:\/\/127\.0\.0\.1:\d+$/ })
    const at = (path: string, init?: RequestInit) => fetch(registry.url + path, init)
    expect(await (await at('/healthz')).text()).toBe('ok\n')
    expect((await at('/v2/')).status).toBe(200)
    expect((await at(UPLOAD, { method: 'POST', body: BLOB })).status).toBe(201)
    expect(await (await at(`/v2/shop/blobs/${digestOf(BLOB)}`)).text()).toBe(String(BLOB))
    for (const path of ['/', '/v1/server', '/metrics', '/v3/']) expect((await at(path)).status).toBe(404)
    expect(await registry.end()).toBe(0)
    expect(existsSync(registry.serving.socket)).toBe(false)
  })

  it.each(['registry serve --listen 127.0.0.1:0', 'server --listen 127.0.0.1:0'])(
    'refuses a folder that another process serves: naru %s',
    async (command) => {
      const stage = aStage()
      await using registry = await aServedRegistry(stage)
      const second = await stage.naru([...command.split(' '), '-o', 'json'])
      expect(second.code).toBe(6)
      expect(jsonLines(second.stdout)).toMatchObject([{ errors: [{ code: 'SERVER_IN_USE' }] }])
      expect((await fetch(`${registry.url}/healthz`)).status).toBe(200)
    },
  )

  it('lets an upload in progress end after SIGTERM, and takes no new connection', async () => {
    await using registry = await aServedRegistry(aStage(), ['--anonymous', 'all'])
    const upload = begun(registry.url + UPLOAD, { 'Content-Length': BLOB.length })
    upload.write(BLOB.subarray(0, 5))
    await once(upload, 'socket').then(([socket]) => (socket.connecting ? once(socket, 'connect') : null))
    registry.signal('SIGTERM')
    await expect
      .poll(
        () =>
          fetch(`${registry.url}/healthz`).then(
            () => 'open',
            () => 'closed',
          ),
        { timeout: 20_000 },
      )
      .toBe('closed')
    upload.end(BLOB.subarray(5))
    const answer = await answerTo(upload)
    expect(answer.statusCode).toBe(201)
    expect(answer.headers.connection).toBe('close')
    expect(await registry.ended).toBe(0)
  })

  it('cuts what has not ended after its grace', async () => {
    await using registry = await aServedRegistry(aStage(), ['--anonymous', 'all', '--grace', '0.2'])
    const upload = begun(registry.url + UPLOAD, { 'Content-Length': BLOB.length })
    upload.write(BLOB.subarray(0, 5))
    const cut = once(upload, 'error')
    await once(upload, 'socket').then(([socket]) => (socket.connecting ? once(socket, 'connect') : null))
    expect(await registry.end()).toBe(0)
    await cut
  })

  it.each([
    [['--listen', 'nowhere'], 'is no address'],
    [['--listen', '203.0.113.1:5000'], 'is no address of this machine'],
    [['--anonymous', 'everything'], 'is none of pull, push, delete, all'],
    [['--tls-cert', 'x.pem'], 'was given alone'],
    [['--tls-cert', '/nonexistent', '--tls-key', '/nonexistent'], 'cannot be read: ENOENT'],
    [['--tls-cert', '/etc/hostname', '--tls-key', '/etc/hostname'], 'no certificate with its key'],
    [['--grace', 'long'], 'Write a number of seconds'],
    [['--gc-every', '5s'], 'Write 1m or more'],
    [['--cache-keep', '30d'], 'was given alone'],
    [['--scrub-rate', '20Mi'], 'was given alone'],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await refusing.naru(['registry', 'serve', '--listen', '127.0.0.1:0', ...args])
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })

  it('collects and scrubs by itself where it is told to, and says so', async () => {
    const stage = aStage()
    const running = stage.start([
      'registry',
      'serve',
      '--listen',
      '127.0.0.1:0',
      '--gc-every',
      '1d',
      '--scrub-every',
      '30d',
    ])
    await running.told('gc: 0 tags, 0 manifests, 0 blobs, 0 B freed')
    await running.told('scrub: 0 blobs, 0 B read, 0 damaged')
    running.child.kill('SIGTERM')
    expect((await running.ended).code).toBe(0)
    // Its time has not come again.
    await using again = await aServedRegistry(stage, ['--gc-every', '1d', '--scrub-every', '30d'])
    await again.end()
    expect(again.written()).not.toContain('collected')
  })

  it.skipIf(!existsSync('/usr/bin/openssl'))('serves TLS (left out without openssl, for its certificate)', async () => {
    const stage = aStage()
    const { certFile, keyFile, cert } = await aCertificate(stage.folder)
    const tls = ['--tls-cert', certFile, '--tls-key', keyFile]
    await using registry = await aServedRegistry(stage, [...tls, '--anonymous', 'all'])
    expect(registry.url).toMatch(/^https:/)
    const request = tlsRequest(`${registry.url}/v2/`, { ca: cert, agent: false })
    request.end()
    expect((await answerTo(request)).statusCode).toBe(200)
    const plain = plainRequest(`${registry.url.replace('https', 'http')}/v2/`, { agent: false })
    plain.end()
    await expect(answerTo(plain)).rejects.toThrow()
  })

  it.skipIf(!existsSync('/usr/bin/openssl'))(
    'shows a renewed certificate to new connections, and the earlier one until both its files are there (left out without openssl)',
    async () => {
      const stage = aStage()
      const { certFile, keyFile, cert } = await aCertificate(stage.folder)
      await using registry = await aServedRegistry(stage, [
        '--tls-cert',
        certFile,
        '--tls-key',
        keyFile,
        '--anonymous',
        'all',
      ])
      const isShown = async (ca: string) => {
        const request = tlsRequest(`${registry.url}/v2/`, { ca, agent: false }).end()
        return answerTo(request).then(
          ({ statusCode }) => statusCode === 200,
          () => false,
        )
      }
      const next = join(stage.folder, 'next')
      await mkdir(next)
      const renewed = await aCertificate(next)
      await copyFile(renewed.certFile, certFile)
      await registry.told('the earlier certificate stays')
      expect(await isShown(cert)).toBe(true)
      await copyFile(renewed.keyFile, keyFile)
      await expect.poll(() => isShown(renewed.cert), { timeout: 60_000 }).toBe(true)
      expect(await isShown(cert)).toBe(false)
    },
  )

  it.each([
    { args: [], line: /^login refused: kim from 127\.0\.0\.1: wrong password$/m },
    { args: ['-o', 'json'], line: /^\{"kind":"login-refused","atMs":\d+,"name":"kim","address":"127\.0\.0\.1",/m },
  ])('tells of logins that it refused, without what they showed: $args', async ({ args, line }) => {
    const stage = aStage()
    const add = ['registry', 'user', 'add', 'kim', '--allow', 'pull', '--password-stdin']
    expect((await stage.naru(add, { input: 'correct horse\n' })).code).toBe(0)
    const running = stage.start(['registry', 'serve', '--listen', '127.0.0.1:0', ...args])
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(await running.said('http://'))?.[0] ?? ''
    const headers = basic('kim', 'a wrong horse')
    for (const path of ['/v2/', '/token']) expect((await fetch(url + path, { headers })).status).toBe(401)
    running.child.kill('SIGTERM')
    const { stdout, stderr } = await running.ended
    expect(stdout + stderr).toMatch(line)
    expect(stdout + stderr).not.toContain('horse')
    // The second one is counted only.
    expect((stdout + stderr).match(/login.refused/g)).toHaveLength(1)
  })

  it('lets in whoever was given rights, from then on and until they are taken', async () => {
    const stage = aStage()
    const push = { method: 'POST', body: BLOB }
    await using registry = await aServedRegistry(stage, ['--anonymous', 'public/**:pull'])
    const status = async (path: string, init: RequestInit = {}) => (await fetch(registry.url + path, init)).status
    expect(await status('/v2/')).toBe(401)
    expect(await status(UPLOAD, push)).toBe(401)
    expect(await status('/v2/public/x/tags/list')).toBe(404)

    const user = ['registry', 'user']
    const kim = basic('kim', 'correct horse')
    const made = await stage.naru([...user, 'add', 'kim', '--allow', 'pull', 'shop:push', '--password-stdin'], {
      input: 'correct horse\n',
    })
    expect(made).toEqual({ code: 0, stdout: 'user kim made\n', stderr: '' })
    expect(await status(UPLOAD, { ...push, headers: kim })).toBe(201)
    const robot = await stage.naru(['registry', 'robot', 'add', 'ci', '--allow', 'shop:push', '--expires', '90d'])
    expect(robot.stderr).toContain('shown only now')
    const ci = basic('ci', robot.stdout.trim())
    expect(await status(UPLOAD, { ...push, headers: ci })).toBe(201)

    const list = await stage.naru([...user, 'list', '-o', 'json'])
    expect(jsonLines(list.stdout)).toMatchObject([
      { users: [{ name: 'kim', rights: ['**:pull', 'shop:push'], expiresAtMs: null }] },
    ])
    expect((await stage.naru([...user, 'allow', 'kim', 'pull'])).stdout).toBe('user kim may: **:pull\n')
    expect(await status(UPLOAD, { ...push, headers: kim })).toBe(403)
    const renewed = await stage.naru(['registry', 'robot', 'renew', 'ci', '-o', 'json'])
    expect(await status(UPLOAD, { ...push, headers: ci })).toBe(401)
    const { token } = JSON.parse(renewed.stdout) as { token: string }
    expect(await status(UPLOAD, { ...push, headers: basic('ci', token) })).toBe(201)
    expect((await stage.naru(['registry', 'robot', 'rm', 'ci'])).code).toBe(0)
    expect(await status(UPLOAD, { ...push, headers: basic('ci', token) })).toBe(401)

    const local = plainRequest({ socketPath: join(stage.data, 'v2.sock'), path: '/v2/_catalog', agent: false })
    local.end()
    expect((await answerTo(local)).statusCode).toBe(200)
  })

  it.each([
    [['user', 'add', 'kim', '--password-stdin'], 2, 'required option'],
    [['user', 'add', 'kim', '--allow', 'all'], 2, 'no terminal to ask on'],
    [
      ['user', 'add', 'kim', '--allow', 'everything', '--password-stdin'],
      2,
      '"everything" is none of pull, push, delete, all',
    ],
    [['user', 'add', '../kim', '--allow', 'all', '--password-stdin'], 2, 'is no name for an account'],
    [['user', 'add', 'kim', '--allow', 'all', '--password', 'secret'], 2, 'unknown option'],
    [['user', 'password', 'kim', '--password-stdin'], 5, 'there is no user "kim"'],
    [['user', 'allow', 'kim', 'pull'], 5, 'there is no user "kim"'],
    [['robot', 'rm', 'kim'], 5, 'there is no robot "kim"'],
    [['robot', 'add', 'ci', '--allow', 'all', '--expires', 'soon'], 2, 'is no time'],
  ])('refuses: naru registry %j', async (args, code, message) => {
    const refused = await refusing.naru(['registry', ...args], { input: 'correct horse\n' })
    expect(refused.stderr).toContain(message)
    expect(refused.code).toBe(code)
  })
})
