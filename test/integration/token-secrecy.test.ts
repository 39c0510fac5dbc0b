import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../e2e/harness/eventually.ts'
import type { TestApp } from '../e2e/harness/test-app.ts'
import { CliStage, jsonLines, type Running } from './cli-stage.ts'

const SLOW = 120_000
/** With characters that a URL encodes. */
const TOKEN = 'x9+Token/Of+These/Tests=='
const FORMS = [TOKEN, encodeURIComponent(TOKEN), Buffer.from(`kim:${TOKEN}`).toString('base64')]

describe('the token of a server on TCP', () => {
  const stage = CliStage.open()
  let app: TestApp
  let server: Running
  let url: string
  let written = ''

  beforeAll(async () => {
    const file = join(stage.folder, 'token.txt')
    writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 })
    server = stage.start(['server', '--listen', '127.0.0.1:0', '--token-file', file, '-o', 'json'])
    for (const stream of [server.child.stdout, server.child.stderr]) {
      stream?.on('data', (chunk: string) => {
        written += chunk
      })
    }
    url = await eventually(
      () => {
        const [serving] = jsonLines(written)
        if (typeof serving?.url !== 'string') throw new Error(`it does not serve yet: ${written}`)
        return serving.url
      },
      { timeout: 60_000 },
    )
    app = await stage.app('shop')
    await app.commit('good', { build: { dockerfile: 'Nowhere' } })
  }, SLOW)

  afterAll(async () => {
    server.child.kill('SIGTERM')
    await server.ended
    expect(await stage.close()).toEqual([])
  }, SLOW)

  /** Status and text of an answer; the path goes out as it is. */
  function ask(method: string, path: string, authorization: string | null, body?: string) {
    const { hostname, port } = new URL(url)
    const headers = {
      ...(authorization === null ? {} : { authorization }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    return new Promise<{ status: number; text: string }>((resolve, reject) => {
      const asked = request({ hostname, port, method, path, headers, agent: false }, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      })
      asked.on('error', reject)
      asked.end(body)
    })
  }

  const tells = (text: string) => FORMS.filter((form) => text.includes(form))
  const bearer = `Bearer ${TOKEN}`
  const encoded = encodeURIComponent(TOKEN)

  it.each<[string, string, string, string | null, string | undefined, number]>([
    ['right', 'GET', '/v1/apps', bearer, undefined, 200],
    ['right, as a password', 'GET', '/v1/apps', `Basic ${btoa(`kim:${TOKEN}`)}`, undefined, 200],
    ['wrong by a letter', 'GET', '/v1/apps', `${bearer}x`, undefined, 401],
    ['of another scheme', 'GET', '/v1/apps', `Token ${TOKEN}x`, undefined, 401],
    ['in the query, without a header', 'GET', `/v1/apps?token=${encoded}`, null, undefined, 401],
    [
      'in the query of a request that is not valid',
      'GET',
      `/v1/operations/o/events?after=${encoded}`,
      bearer,
      undefined,
      400,
    ],
    ['in the path', 'GET', `/v1/${encoded}`, bearer, undefined, 404],
    ['in the path, as it is', 'GET', `/v1/operations/${TOKEN}/events`, bearer, undefined, 404],
    ['as the name of an operation', 'GET', `/v1/operations/${encoded}/events`, bearer, undefined, 404],
    ['as the name of an app', 'GET', `/v1/apps/${encoded}/environments/local`, bearer, undefined, 400],
    ['in a URL that cannot be decoded', 'GET', `/v1/%zz?token=${encoded}`, bearer, undefined, 400],
    ['in a body that is no JSON', 'POST', '/v1/deploys', bearer, `{"token": "${TOKEN}"`, 400],
    ['in a body that is not valid', 'POST', '/v1/deploys', bearer, JSON.stringify({ by: TOKEN }), 400],
    ['for the registry, wrong', 'GET', `/v2/?token=${encoded}`, `${bearer}x`, undefined, 401],
  ])('is not told again when it is %s', async (_how, method, path, authorization, body, status) => {
    const answer = await ask(method, path, authorization, body)
    expect(answer.status, answer.text).toBe(status)
    expect(tells(answer.text)).toEqual([])
  })

  it.each([
    ['as the user', (at: URL) => `http://${encoded}@${at.host}`],
    ['as the password', (at: URL) => `http://kim:${encoded}@${at.host}`],
    ['in the query', (at: URL) => `${at.origin}/?token=${encoded}`],
    ['in what is no URL', (at: URL) => `${encoded}@${at.host}`],
  ])('is refused in the URL of --server, %s, and not shown', async (_where, written) => {
    const { code, stdout, stderr } = await stage.naru(['status', '--app', 'shop', '--server', written(new URL(url))])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('NARU_TOKEN')
    expect(tells(stderr)).toEqual([])
  })

  it(
    'is in nothing that commands and server write, whether it is right or wrong',
    async () => {
      const env = { NARU_SERVER: url, NARU_TOKEN: TOKEN }
      const run = (args: readonly string[], more: Record<string, string> = {}) =>
        stage.naru(args, { cwd: app.repository, env: { ...env, ...more } })
      const failed = await run(['deploy', '-o', 'json'])
      expect(jsonLines(failed.stdout).at(-1)).toMatchObject({ kind: 'end', revision: null })
      const wrong = await run(['deploy', '--verbose'], { NARU_TOKEN: `${TOKEN}x` })
      expect(wrong).toMatchObject({ code: 4, stderr: expect.stringContaining('TOKEN_INVALID') })
      const away = await run(['status', '--verbose'], { NARU_SERVER: 'http://127.0.0.1:1' })
      expect(away).toMatchObject({ code: 10 })
      expect(tells(JSON.stringify([failed, wrong, away]))).toEqual([])
      expect(tells(written)).toEqual([])
      expect(filesWith(stage.data)).toEqual([])
    },
    SLOW,
  )

  /** Also what is remembered: events, receipts, who asked. */
  function filesWith(folder: string): string[] {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((name) => join(folder, name))
      .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true)
      .filter((path) => tells(readFileSync(path, 'latin1')).length > 0)
  }
})
