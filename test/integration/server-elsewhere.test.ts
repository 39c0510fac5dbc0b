import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PlanBody, StatusBody } from '../../src/api/responses.ts'
import { eventually } from '../e2e/harness/eventually.ts'
import type { TestApp } from '../e2e/harness/test-app.ts'
import { CliStage, jsonLines, type Running } from './cli-stage.ts'

const SLOW = 180_000

/** What stands between command line and server: keeps what is said to the server, and cuts a connection when it is told to. */
class Wire {
  said = ''
  /** The next request that begins so is cut in the middle. */
  cut: string | null = null
  readonly #servers: Server[] = []
  readonly #open = new Set<Socket>()
  readonly #to: URL

  constructor(to: string) {
    this.#to = new URL(to)
  }

  async listen(tls: { readonly key: Buffer; readonly cert: Buffer } | null = null): Promise<number> {
    const pass = (from: Socket) => this.#pass(from)
    const server = tls === null ? createServer(pass) : createTlsServer(tls, pass)
    this.#servers.push(server)
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    return (server.address() as AddressInfo).port
  }

  close(): void {
    for (const socket of this.#open) socket.destroy()
    for (const server of this.#servers) server.close()
  }

  #pass(from: Socket): void {
    const to = connect(Number(this.#to.port), this.#to.hostname)
    for (const socket of [from, to]) {
      this.#open.add(socket)
      socket
        .on('error', () => {})
        .on('close', () => {
          this.#open.delete(socket)
          from.destroy()
          to.destroy()
        })
    }
    to.pipe(from)
    from.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1')
      this.said += text
      if (this.cut !== null && text.startsWith(this.cut)) {
        this.cut = null
        to.write(chunk.subarray(0, -10), () => from.destroy())
      } else to.write(chunk)
    })
  }
}

describe('a server elsewhere', () => {
  const stage = CliStage.open()
  let app: TestApp
  let server: Running
  let wire: Wire
  let env: Record<string, string>
  const git = (...args: string[]) => execFileSync('git', ['-C', app.repository, ...args], { encoding: 'utf8' }).trim()
  const naru = (args: readonly string[], more: Record<string, string> = {}, cwd = app.repository) =>
    stage.naru(args, { cwd, env: { ...env, ...more } })
  const planned = async (args: readonly string[], cwd?: string) => {
    const before = wire.said.length
    const { stdout } = await naru(['plan', '-o', 'json', ...args], {}, cwd)
    const { commit } = jsonLines(stdout)[0] as unknown as PlanBody
    return { commit, sent: wire.said.slice(before).split(`PUT /v1/sources/${commit}`).length - 1 }
  }

  beforeAll(async () => {
    await stage.baseImage()
    await stage.naru(['server', '--end'])
    server = stage.start(['server', '--listen', '127.0.0.1:0', '-o', 'json'])
    let said = ''
    server.child.stdout?.on('data', (chunk: string) => {
      said += chunk
    })
    const url = await eventually(
      () => {
        const [serving] = jsonLines(said)
        if (typeof serving?.url !== 'string') throw new Error(`it does not serve yet: ${said}`)
        return serving.url
      },
      { timeout: 30_000 },
    )
    wire = new Wire(url)
    app = await stage.app('shop')
    await app.commit('good')
    env = {
      NARU_DATA: join(stage.folder, 'client'),
      NARU_SERVER: `http://127.0.0.1:${await wire.listen()}`,
      NARU_TOKEN: readFileSync(join(stage.data, 'token'), 'utf8'),
    }
  }, SLOW)

  afterAll(async () => {
    wire.close()
    server.child.kill('SIGTERM')
    await server.ended
    expect(await stage.close()).toEqual([])
  }, SLOW)

  it(
    'is sent the commit, and told no path of this machine',
    async () => {
      git('remote', 'add', 'origin', 'https://kim:s3cret@git.example.com/team/shop.git')
      await app.write('scratch.txt', 'not committed')
      const { code, stdout, stderr } = await naru(['deploy'])
      expect({ code, stderr }).toMatchObject({ code: 0 })
      expect(stderr).toMatch(/^sending [0-9a-f]{7}, /m)
      expect(stderr).toContain('not committed: scratch.txt')
      expect(stdout).toContain('"v1 good"')
      expect(await (await fetch(app.url)).text()).toContain('v1')
      const status = jsonLines((await naru(['status', '-o', 'json'])).stdout)[0] as unknown as StatusBody
      expect(status.commit).toBe(git('rev-parse', 'HEAD'))
      expect(wire.said).toContain('"url":"https://git.example.com/team/shop.git"')
      expect(wire.said).not.toContain(stage.folder)
      expect(wire.said).not.toContain('s3cret')
    },
    SLOW,
  )

  it(
    'is not sent what it has',
    async () => {
      const { code, stderr } = await naru(['build'])
      expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.not.stringContaining('sending') })
    },
    SLOW,
  )

  it(
    'is sent what a tag, a detached HEAD and a linked worktree mean',
    async () => {
      const first = git('rev-parse', 'HEAD')
      git('-c', 'user.name=t', '-c', 'user.email=t@example.com', 'tag', '-a', '-m', 'one', 'v1.0', first)
      await app.commit('good')
      const second = git('rev-parse', 'HEAD')
      expect(await planned(['--ref', 'v1.0'])).toEqual({ commit: first, sent: 0 })
      expect(await planned([])).toEqual({ commit: second, sent: 1 })
      const worktree = join(stage.folder, 'worktree')
      git('worktree', 'add', '-q', '--detach', worktree, second)
      writeFileSync(join(worktree, 'version.txt'), 'v9\n')
      const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.com']
      execFileSync('git', ['-C', worktree, ...identity, 'commit', '-q', '-a', '-m', 'Detached'])
      const third = git('-C', worktree, 'rev-parse', 'HEAD')
      expect(await planned([], worktree)).toEqual({ commit: third, sent: 1 })
    },
    SLOW,
  )

  it(
    'is sent a commit again when the connection breaks',
    async () => {
      await app.commit('good')
      wire.cut = 'PUT /v1/sources/'
      expect(await planned([])).toEqual({ commit: git('rev-parse', 'HEAD'), sent: 2 })
    },
    SLOW,
  )

  it(
    'sends nothing without the right token',
    async () => {
      await app.commit('good')
      const refused = await naru(['deploy'], { NARU_TOKEN: 'not the right one' })
      expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining('TOKEN_INVALID') })
      expect(refused.stderr).not.toContain('sending')
    },
    SLOW,
  )

  it(
    'is not sent the token unencrypted beyond this machine',
    async () => {
      const refused = await naru(['status'], { NARU_SERVER: 'http://192.0.2.1:7070' })
      expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('NARU_INSECURE=1') })
    },
    SLOW,
  )

  it(
    'may stand behind a proxy that speaks TLS',
    async () => {
      const folder = join(stage.folder, 'tls')
      mkdirSync(folder)
      const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
      const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
      const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
      execFileSync('openssl', ['req', '-x509', ...kind, ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' })
      const port = await wire.listen({ key: readFileSync(key), cert: readFileSync(cert) })
      const over = { NARU_SERVER: `https://localhost:${port}` }
      const stranger = await naru(['status'], over)
      expect(stranger).toMatchObject({ code: 10, stderr: expect.stringContaining('NODE_EXTRA_CA_CERTS') })
      expect(await naru(['status'], { ...over, NODE_EXTRA_CA_CERTS: cert })).toMatchObject({ code: 0 })
    },
    SLOW,
  )

  it('refuses by HTTP what is no commit, no pack, or comes without a token', async () => {
    // Small enough to be on its way as a whole when it is refused unread: a sender of more may see a reset in place of the answer.
    const put = (commit: string, token: string | undefined, bytes = 300) =>
      fetch(`${env.NARU_SERVER}/v1/sources/${commit}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/octet-stream', ...(token ? { authorization: `Bearer ${token}` } : {}) },
        body: Buffer.alloc(bytes, 'no pack'),
      })
    const token = env.NARU_TOKEN?.trim()
    expect((await put('ab'.repeat(20), undefined)).status).toBe(401)
    expect((await put('..%2f..%2fx', token)).status).toBe(400)
    const refused = await put('ab'.repeat(20), token, 300_000)
    expect(refused.status).toBe(422)
    expect(await refused.json()).toMatchObject({ errors: [{ code: 'SOURCE_UPLOAD_INVALID' }] })
  })
})
