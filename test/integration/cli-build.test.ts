import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestApp } from '../e2e/harness/test-app.ts'
import { CliStage, jsonLines } from './cli-stage.ts'

const NODE = '["node", "-e", '
const DOCKERFILE = (end: string) => `FROM base/node:24 AS made
COPY hello.txt /
RUN ${NODE}"for (let n = 1; n < 31; n++) console.log('line ' + n); require('fs').writeFileSync('/made', '')"]
FROM base/node:24
COPY --from=made /made /
RUN ${NODE}"${end}"]
`
const FAILS = "for (let n = 1; n < 31; n++) console.log('said ' + n); process.exit(3)"
const SLOW = 120_000
const hasColours = (text: string) => text.split('\u001b[').some((part, index) => index > 0 && /^\d+m/.test(part))

const able = process.getuid?.() === 0 && existsSync('/usr/bin/script')

describe.skipIf(!able)('a build as people see it (needs root and script of util-linux)', () => {
  let stage: CliStage
  let app: TestApp

  beforeAll(async () => {
    stage = CliStage.open()
    await stage.baseImage()
    app = await stage.app('shop')
    await app.write('hello.txt', 'hello')
  }, SLOW)
  afterAll(async () => expect(await stage.close()).toEqual([]), SLOW)

  const commit = async (end: string) => {
    await app.write('Dockerfile', DOCKERFILE(end))
    await app.commit('good', {})
  }
  const naru = (...args: string[]) => stage.naru(args, { cwd: app.repository })
  /** The same in a terminal of that size: what it wrote, and what of it stayed below each other. */
  const onTerminal = async (columns: number, env: Record<string, string>, ...args: string[]) => {
    const ran = await stage.inTerminal(columns, args, { cwd: app.repository, env: { TERM: 'xterm-256color', ...env } })
    return { ...ran, text: stripVTControlCharacters(ran.stdout).replaceAll('\r', '') }
  }

  it(
    'is plain lines with the number of the step off a terminal, without colours',
    async () => {
      await commit("console.log('done')")
      const { code, stderr } = await naru('build')
      expect(code, stderr).toBe(0)
      expect(stderr).toMatch(/^ {2}#1 \[made 2\/3\] COPY hello\.txt \/$/m)
      expect(stderr).toMatch(/^ {2}#2 \d+\.\d{3} line 30$/m)
      expect(stderr).toMatch(/^ {2}#4 \[stage-1 3\/3\] RUN \["node"/m)
      expect(stderr).toMatch(/^ {2}#4 \d+\.\d{3} done$/m)
      expect(stderr).toMatch(/^ {2}#4 DONE \d+\.\ds$/m)
      expect(hasColours(stderr)).toBe(false)
      const again = await naru('build')
      for (const number of [1, 2, 3, 4]) expect(again.stderr).toContain(`  #${number} CACHED\n`)
      const anew = await naru('build', '--no-cache')
      expect(anew.stderr).toMatch(/^ {2}#2 \d+\.\d{3} line 30$/m)
      expect(anew.stderr).toMatch(/^ {2}#4 \d+\.\d{3} done$/m)
    },
    SLOW,
  )

  it(
    'is one stream of events, also as JSON lines',
    async () => {
      const events = jsonLines((await naru('build', '-o', 'json')).stdout).filter(({ kind }) => kind === 'build')
      expect(events).toHaveLength(8)
      const step = { number: 2, stage: 'made', step: 3, steps: 3, cached: true, instruction: expect.any(String) }
      expect(events).toContainEqual(expect.objectContaining({ ...step, state: 'finished' }))
    },
    SLOW,
  )

  it(
    'is for the platforms that are asked for, and says where a RUN cannot be carried out',
    async () => {
      const layout = join(app.repository, '..', 'layout')
      await app.write('Dockerfile', 'FROM scratch\nCOPY hello.txt /\n')
      await app.commit('good', {})
      const asked = ['--platform', 'linux/amd64,linux/arm64', '--platform', 'linux/arm/v7', '-o', `oci:${layout}`]
      const { code, stderr } = await naru('build', ...asked)
      expect(code, stderr).toBe(0)
      const read = (path: string) => JSON.parse(readFileSync(join(layout, path), 'utf8'))
      const [{ digest }] = read('index.json').manifests
      const found = read(`blobs/${digest.replace(':', '/')}`).manifests
      expect(found.map((one: { platform: object }) => one.platform)).toEqual([
        { os: 'linux', architecture: 'amd64' },
        { os: 'linux', architecture: 'arm64' },
        { os: 'linux', architecture: 'arm', variant: 'v7' },
      ])
      expect(await naru('build', '--platform', 'windows/amd64')).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('Write linux/amd64, linux/arm64 or linux/arm/v7'),
      })
      await app.write('Dockerfile', 'FROM scratch\nCOPY hello.txt /\nRUN ["/hello.txt"]\n')
      await app.commit('good', {})
      const refused = await naru('build', '--platform', 'linux/riscv64')
      expect(refused.stderr).toContain('Dockerfile:3:1: RUN in an image for linux/riscv64 does not run on linux/')
      expect(refused.code).toBe(3)
    },
    SLOW,
  )

  it(
    'is lines that stay and fit on a terminal, and the whole log of what fails',
    async () => {
      await commit(FAILS)
      const { code, text, stdout } = await onTerminal(60, { CI: '' }, 'build')
      expect(code).toBe(10)
      expect(hasColours(stdout)).toBe(true)
      expect(stdout).toContain('\u001b[31m => ERROR [stage-1 3/3] RUN ["node", ')
      const lines = text.split('\n')
      expect(lines).toContainEqual(expect.stringMatching(/^ => CACHED \[made 2\/3\] COPY hello\.txt \/ +\d\.\ds$/))
      expect(lines.find((line) => line.startsWith(' => ERROR'))).toHaveLength(60)
      expect(lines.filter((line) => /^\d+\.\d{3} said \d+$/.test(line))).toHaveLength(30)
      expect(text.slice(text.indexOf('error BUILD_RUN_FAILED'))).toMatch(
        /^error BUILD_RUN_FAILED: Dockerfile:6:1: RUN .*\n {2}ended with exit code 3\n/,
      )
    },
    SLOW,
  )

  it(
    'shows that a RUN has the certificates that were asked for, and refuses what is none',
    async () => {
      await commit(
        "console.log(require('fs').readFileSync(process.env.SSL_CERT_FILE, 'utf8').split('BEGIN CERT').length > 1)",
      )
      await app.write('../ca.pem', rootCertificates[0] ?? '')
      expect((await naru('build', '--ca', '../ca.pem')).stderr).toMatch(/^ {2}#4 \d+\.\d{3} true$/m)
      expect(await naru('build', '--ca', '../none.pem')).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/ENOENT/),
      })
      const wrong = await naru('build', '--ca', 'Dockerfile')
      expect(wrong.stderr).toContain('BUILD_SOURCE_INVALID: --ca has no certificate in PEM form')
    },
    SLOW,
  )

  it(
    'has no colours where NO_COLOR asks for none',
    async () => {
      await commit(FAILS)
      const { stdout } = await onTerminal(40, { CI: '', NO_COLOR: '1' }, 'build')
      expect(hasColours(stdout)).toBe(false)
      expect(stdout).toContain(' => ERROR ')
    },
    SLOW,
  )
})
