import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HistoryBody, PruneBody, StatusBody } from '../../src/api/responses.ts'
import type { Event } from '../../src/model/event.ts'
import { openSqliteMemory } from '../../src/memory/sqlite-memory.ts'
import { systemClock } from '../../src/os/system-clock.ts'
import type { TestApp } from '../e2e/harness/test-app.ts'
import { CliStage, jsonLines, type Ran } from './cli-stage.ts'

const SLOW = 180_000

/** What was used within the last hour is never pruned. */
async function olderByADay(folder: string): Promise<void> {
  const then = Date.now() / 1000 - 86_400
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) await utimes(join(entry.parentPath, entry.name), then, then)
}

describe('the command line with a server', () => {
  const stage = CliStage.open()
  let app: TestApp
  const naru = (...args: string[]) => stage.naru(args, { cwd: app.repository })
  const last = (ran: Ran) => jsonLines(ran.stdout).at(-1) as unknown as Extract<Event, { kind: 'end' }>
  const status = async () => jsonLines((await naru('status', '-o', 'json')).stdout)[0] as unknown as StatusBody
  const history = async () =>
    (jsonLines((await naru('history', '-o', 'json')).stdout)[0] as unknown as HistoryBody).rollouts

  beforeAll(async () => {
    await stage.baseImage()
    app = await stage.app('shop')
    const program = readFileSync(join(app.repository, 'server.mjs'), 'utf8')
    await app.write('server.mjs', `${program}\nconsole.log('begun')\n`)
    await app.commit('good')
  }, SLOW)

  afterAll(async () => {
    expect(await stage.close()).toEqual([])
  }, SLOW)

  it(
    'says what to do where nothing was deployed yet',
    async () => {
      expect(await naru('status')).toMatchObject({
        code: 5,
        stderr: expect.stringContaining('Deploy first: naru deploy'),
      })
      expect(await naru('rollback')).toMatchObject({ code: 5 })
    },
    SLOW,
  )

  it(
    'deploys what is checked out, and prints the receipt on stdout and progress on stderr',
    async () => {
      await app.write('scratch.txt', 'not committed')
      const { code, stdout, stderr } = await naru('deploy')
      expect({ code, stderr }).toMatchObject({ code: 0 })
      const [head = '', requests = '', settled = ''] = stdout.split('\n')
      expect(head).toMatch(
        /^shop {2}→ r1 {3}[0-9a-f]{7} "v1 good" {3}sha256:[0-9a-f]{8}… {3}deployed by \S.* {3}all-new in /,
      )
      expect(requests).toMatch(/^lost 0 of [\d,]+ {3}through http:\/\/127\.0\.0\.1:\d+/)
      expect(settled).toContain('migrate –')
      expect(stdout.trimEnd().split('\n').length).toBeLessThanOrEqual(10)
      expect(stderr).toContain('not committed: scratch.txt')
      expect(stderr).toMatch(/^build {4}Dockerfile/m)
      expect(stderr).toMatch(/admit {4}web-1-1: it is ready/)
      expect(stderr).not.toContain('\u001b')
      expect(await (await fetch(app.url)).text()).toContain('v1')
    },
    SLOW,
  )

  it(
    'shows status, history, receipts and logs, for people and for programs',
    async () => {
      const shown = await naru('status')
      expect(shown.stdout).toMatch(/^shop \(local\) {2}r1 /)
      expect(shown.stdout).toMatch(/^web-1-1 +Running +yes +Active/m)
      expect(await status()).toMatchObject({ app: 'shop', revision: 1, rollout: null })
      expect((await naru('history')).stdout).toMatch(/^r-1 +deploy +→ r1 +all-new in .* +0 of /m)
      expect((await naru('history', '--receipt')).stdout).toMatch(/start web-1-1/)
      expect(jsonLines((await naru('history', '--receipt', 'r-1', '-o', 'json')).stdout)[0]).toMatchObject({
        endState: 'all-new',
      })
      expect(await naru('history', '--receipt', '99')).toMatchObject({ code: 5 })
      const logs = await naru('logs', '--tail', '5', '--role', 'web')
      expect(logs.stdout).toMatch(/^web-1-[12] \| /m)
      expect(jsonLines((await naru('logs', '-o', 'json')).stdout)[0]).toMatchObject({
        replica: expect.any(String),
        line: expect.any(String),
      })
    },
    SLOW,
  )

  it(
    'follows status and logs until Ctrl-C, which ends them well',
    async () => {
      const watching = stage.start(['status', '--watch', '-o', 'json'], { cwd: app.repository })
      const first = await new Promise<string>((resolve) =>
        watching.child.stdout?.once('data', (chunk) => resolve(String(chunk))),
      )
      expect(JSON.parse(first.split('\n')[0] ?? '')).toMatchObject({ revision: 1 })
      watching.child.kill('SIGINT')
      expect(await watching.ended).toMatchObject({ code: 0, stderr: '' })
      const logs = stage.start(['logs', '-f', '--tail', '1'], { cwd: app.repository })
      await new Promise((resolve) => logs.child.stdout?.once('data', resolve))
      logs.child.kill('SIGTERM')
      expect(await logs.ended).toMatchObject({ code: 0, stderr: '' })
    },
    SLOW,
  )

  it(
    'sets secrets from stdin or a file, lists and unsets them, and never shows a value',
    async () => {
      const set = await stage.naru(['secret', 'set', 'TOKEN'], { cwd: app.repository, input: 'hunter2\n' })
      expect(set).toMatchObject({ code: 0, stdout: 'TOKEN has version 1\n' })
      const path = join(stage.folder, 'value')
      await writeFile(path, 'hunter3')
      expect((await naru('secret', 'set', 'TOKEN', '--from-file', path)).stdout).toBe('TOKEN has version 2\n')
      const listed = await naru('secret', 'list')
      expect(listed.stdout).toMatch(/^TOKEN +2 /m)
      expect((await naru('secret', 'unset', 'TOKEN')).code).toBe(0)
      expect(await naru('secret', 'unset', 'TOKEN')).toMatchObject({
        code: 5,
        stderr: expect.stringContaining('naru secret list'),
      })
      expect(await stage.naru(['secret', 'set', 'TOKEN=-'], { cwd: app.repository })).toMatchObject({ code: 2 })
      expect(JSON.stringify([set, listed])).not.toContain('hunter')
    },
    SLOW,
  )

  it(
    'plans without changing anything, and deploys a saved plan only while it holds',
    async () => {
      expect(await naru('plan', '--exit-code')).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('changes   none: nothing differs'),
        stderr: expect.stringContaining('There is nothing to deploy.'),
      })
      await app.commit('good', { env: { COLOUR: 'green' } })
      const file = join(stage.folder, 'plan.json')
      const planned = await naru('plan', '--exit-code', '--save', file)
      expect(planned).toMatchObject({
        code: 2,
        stdout: expect.stringMatching(/^ +settings +\+ (env|roles\.web\.env)\.COLOUR "green"$/m),
      })
      expect(planned.stdout).toMatch(/fewest available 2 of 2/)
      expect((await status()).revision).toBe(1)
      await app.commit('good', { env: { COLOUR: 'blue' } })
      const deployed = await naru('deploy', '--plan', file, '-o', 'json')
      expect(last(deployed)).toMatchObject({ kind: 'end', exit: 0, revision: 2, endState: 'all-new' })
      const stale = await naru('deploy', '--plan', file)
      expect(stale).toMatchObject({ code: 10, stderr: expect.stringContaining('PLAN_STALE') })
      expect((await status()).subject).toBe('v2 good')
    },
    SLOW,
  )

  it(
    'frees what no release needs, and tells it first',
    async () => {
      await app.commit('good')
      expect(await naru('build')).toMatchObject({ code: 0 })
      await olderByADay(join(stage.data, 'registry'))
      const would = jsonLines((await naru('image', 'prune', '--all', '--dry-run', '-o', 'json')).stdout)[0] as PruneBody
      expect(would).toMatchObject({ dryRun: true, buildCache: { inUse: false } })
      expect(would.freedBytes).toBeGreaterThan(0)
      await olderByADay(join(stage.data, 'registry'))
      const pruned = await naru('image', 'prune', '--all', '-o', 'json')
      expect(jsonLines(pruned.stdout)[0]).toEqual({ ...would, dryRun: false })
      expect((await naru('image', 'prune', '--all')).stdout).toMatch(
        /^registry: 0 manifests.*\nbuild cache: .*\n0 B freed$/m,
      )
    },
    SLOW,
  )

  it(
    'scales, and rolls back to what ran before, saying what comes back',
    async () => {
      const scaled = await naru('scale', '3', '-o', 'json')
      expect(last(scaled)).toMatchObject({ kind: 'end', exit: 0 })
      expect((await status()).roles[0]).toMatchObject({ replicas: 3, ready: 3 })
      expect(await naru('scale', 'wurker=2')).toMatchObject({ code: 2, stderr: expect.stringContaining('web') })
      const back = await naru('rollback')
      expect(back.code).toBe(0)
      expect(back.stderr).toMatch(/^going back from r2 to r1\nchanges\n {2}image +sha256:\S+ → sha256:\S+$/m)
      expect(back.stderr).toMatch(/^ {2}source +[0-9a-f]{7} "v2 good" → [0-9a-f]{7} "v1 good"$/m)
      expect(back.stderr).toContain('COLOUR')
      expect(back.stdout).toMatch(/^shop {2}r2 → r1 .* rolled back by /)
      // Nothing is told that is not done.
      for (const nowhere of ['1', '99']) {
        expect(await naru('rollback', nowhere)).toMatchObject({ code: 5, stderr: expect.stringMatching(/^error /) })
      }
    },
    SLOW,
  )

  it(
    'fails with the cause, its hint and the last log lines above the receipt, and exit code 7',
    async () => {
      await app.commit('crashes')
      const { code, stdout, stderr } = await naru('deploy')
      expect(code).toBe(7)
      expect(stderr).toMatch(/web-\d+-\d+ \| .*\nerror REPLICA_CRASHED: /)
      expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^ {2}\S/)
      expect(stdout).toMatch(/all-old in /)
      expect(stdout).toContain('failed: REPLICA_CRASHED: ')
      expect((await status()).revision).toBe(1)
    },
    SLOW,
  )

  it(
    'leaves the rollout to the server at Ctrl-C and --timeout, and says how to go on',
    async () => {
      await app.commit('good', { rollout: { minReadySeconds: 3 } })
      const deploy = stage.start(['deploy'], { cwd: app.repository })
      await deploy.told('rollout  to revision')
      deploy.child.kill('SIGINT')
      const left = await deploy.ended
      expect(left).toMatchObject({ code: 9, stderr: expect.stringContaining('naru status --watch') })
      expect(left.stderr).toContain('naru abort')
      expect(await naru('pause')).toMatchObject({ code: 0, stdout: expect.stringContaining('is paused') })
      expect((await naru('status')).stdout).toContain('naru resume')
      // What is paused has no end that a scale could wait for.
      expect(await naru('scale', '3', '--timeout', '60')).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('is scaled to web=3, and stays paused'),
      })
      expect(await naru('resume', '--timeout', '0.5')).toMatchObject({
        code: 124,
        stderr: expect.stringContaining('TIMED_OUT'),
      })
      const aborted = await naru('abort', '-o', 'json')
      expect(aborted.code).toBe(0)
      expect(last(aborted)).toMatchObject({ kind: 'end', endState: 'all-old', exit: 7 })
      expect((await history())[0]).toMatchObject({ endState: 'all-old', failure: { code: 'ROLLOUT_ABORTED' } })
      expect(await naru('abort')).toMatchObject({ code: 2, stderr: expect.stringContaining('ROLLOUT_NOT_RUNNING') })
    },
    SLOW,
  )

  it(
    'changes nothing while another process holds the lease, says who, and ends with 6',
    async () => {
      const before = await history()
      const { signal } = new AbortController()
      const options = { folder: stage.data, keyFile: join(stage.data, 'secrets.key'), clock: systemClock, signal }
      const other = await openSqliteMemory(options)
      const scope = { app: 'shop', environment: 'local' }
      const { token } = await other.acquireLease(scope, 'pipeline 7 on ci-2', 600_000, Date.now())
      for (const command of [['deploy'], ['scale', '2']]) {
        const { code, stderr } = await naru(...command)
        expect({ code, stderr }).toMatchObject({ code: 6, stderr: expect.stringContaining('LEASE_HELD') })
        expect(stderr).toContain('is being changed by pipeline 7 on ci-2')
        expect(stderr).toContain('naru status --watch')
      }
      expect(await history()).toEqual(before)
      await other.releaseLease(scope, token)
      await other.close()
      expect(await naru('scale', '2')).toMatchObject({ code: 0 })
    },
    SLOW,
  )

  it(
    'builds without deploying, also into an OCI layout, with events as JSON lines',
    async () => {
      const built = await naru('build', '-o', 'oci:../../layout', '-o', 'json', '--tag', 'try')
      expect(last(built)).toMatchObject({ kind: 'end', exit: 0, digest: expect.stringMatching(/^sha256:/) })
      expect(JSON.parse(readFileSync(join(stage.folder, 'layout', 'index.json'), 'utf8'))).toHaveProperty('manifests')
      expect((await naru('image', 'list')).stdout).toMatch(/^shop: .*try/m)
      expect(await naru('build', '--file', '../../outside')).toMatchObject({ code: 2 })
    },
    SLOW,
  )

  it.skipIf(process.getuid?.() !== 0)(
    'limits one RUN as the command line says, and finds contexts that naru.yaml names (needs root)',
    async () => {
      await app.write(
        'Limited.Dockerfile',
        'FROM base/node:24\nCOPY --from=texts hello.txt /\nRUN ["node", "-e", "setInterval(() => {}, 1000)"]\n',
      )
      await mkdir(join(app.repository, 'texts'))
      await app.write('texts/hello.txt', 'hello')
      await app.commit('good', { build: { contexts: { texts: 'texts' } } })
      const build = ['build', '--file', 'Limited.Dockerfile']
      const ran = await naru(...build, '--run-timeout', '1', '--memory', '512Mi', '--cpus', '0.5')
      expect(ran).toMatchObject({ code: 10, stderr: expect.stringContaining('did not end within 1 s') })
      for (const [flag, value, told] of [
        ['--memory', '512m', 'Did you mean 512Mi?'],
        ['--cpus', 'many', 'cores from 1m to 1000'],
        ['--run-timeout', '0', 'seconds from 1'],
      ] as const)
        expect(await naru(...build, flag, value)).toMatchObject({ code: 2, stderr: expect.stringContaining(told) })
    },
    SLOW,
  )

  it(
    'finds nothing wrong with a machine that it works on',
    async () => {
      const { code, stdout } = await naru('doctor')
      expect(code).toBe(0)
      expect(stdout).toMatch(/^ok +git /m)
      expect(stdout).toMatch(/^ok +server +answers on /m)
      const lines = jsonLines((await naru('doctor', '-o', 'json')).stdout)
      expect(lines.filter(({ check }) => check === '')).toEqual([])
      expect(lines).toContainEqual(expect.objectContaining({ check: 'note', state: 'ok' }))
    },
    SLOW,
  )

  it(
    'stops everything, ends the server, and starts a new one when it is needed',
    async () => {
      expect(last(await naru('stop', '-o', 'json'))).toMatchObject({ exit: 0 })
      expect((await status()).replicas).toEqual([])
      expect((await naru('server', '--end')).stdout).toContain('has ended')
      expect((await naru('server', '--end')).stdout).toContain('no server')
      const again = await naru('history', '--limit', '1')
      expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining('starting the server') })
      expect(await naru('status', '--no-server')).toMatchObject({
        code: 6,
        stderr: expect.stringContaining('SERVER_IN_USE'),
      })
    },
    SLOW,
  )
})

describe('the command line with the server inside', () => {
  const stage = CliStage.open()
  let app: TestApp

  beforeAll(async () => {
    await stage.baseImage()
    app = await stage.app('inside')
  }, SLOW)

  afterAll(async () => {
    expect(await stage.close()).toEqual([])
  }, SLOW)

  it(
    'deploys under CI without leaving a server behind, and the replicas serve on',
    async () => {
      await app.commit('good')
      const { code, stdout } = await stage.naru(['deploy', '-o', 'json'], { cwd: app.repository, env: { CI: 'true' } })
      expect(code).toBe(0)
      expect(jsonLines(stdout).at(-1)).toMatchObject({ kind: 'end', endState: 'all-new' })
      expect(existsSync(join(stage.data, 'server.sock'))).toBe(false)
      expect(await (await fetch(app.url)).text()).toContain('v1')
    },
    SLOW,
  )

  it(
    'at SIGTERM finishes the step, names the end state and exits with 9',
    async () => {
      await app.commit('good', { rollout: { minReadySeconds: 30 } })
      const deploy = stage.start(['deploy', '--no-server'], { cwd: app.repository })
      await deploy.told('rollout  to revision')
      deploy.child.kill('SIGTERM')
      const { code, stderr } = await deploy.ended
      expect(code).toBe(9)
      expect(stderr).toMatch(/error INTERRUPTED: .*(all-old|mixed)/)
      expect(await (await fetch(app.url)).text()).toMatch(/v[12]/)
    },
    SLOW,
  )
})
