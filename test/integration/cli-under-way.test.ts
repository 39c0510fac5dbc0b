import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ServerBody, StatusBody } from '../../src/api/responses.ts'
import { ApiClient } from '../../src/cli/api-client.ts'
import type { TestApp } from '../e2e/harness/test-app.ts'
import { eventually } from '../e2e/harness/eventually.ts'
import { CliStage, jsonLines } from './cli-stage.ts'

const SLOW = 180_000
const EARLY = `data:text/javascript,process.on('newListener',n=>{if(n==='SIGINT')setImmediate(()=>process.kill(process.pid,n))})`

describe('the command line beside a deploy that is being built', () => {
  const stage = CliStage.open()
  const mayGoOn = join(stage.folder, 'go-on')
  let app: TestApp
  const start = (...args: string[]) => stage.start(args, { cwd: app.repository })
  const naru = (...args: string[]) => start(...args).ended
  const status = async () => jsonLines((await naru('status', '-o', 'json')).stdout)[0] as unknown as StatusBody

  beforeAll(async () => {
    await stage.baseImage()
    app = await stage.app('shop')
    await app.commit('good', { build: { run: ['sh', '-c', `until [ -e ${mayGoOn} ]; do sleep 0.1; done`] } })
  }, SLOW)

  afterAll(async () => {
    writeFileSync(mayGoOn, '')
    expect(await stage.close()).toEqual([])
  }, SLOW)

  it(
    'shows it in status, also before anything was deployed, and abort that ends it has done what was asked',
    async () => {
      const deploy = start('deploy')
      await deploy.told('source ')
      const watch = start('status', '--watch', '-o', 'json')
      await eventually(
        async () => {
          expect(await status()).toMatchObject({ rollout: null, preparing: [{ station: 'build' }] })
        },
        { timeout: 60_000 },
      )
      expect(await naru('status')).toMatchObject({ code: 0, stdout: expect.stringContaining('under way: build') })
      expect(await naru('abort')).toMatchObject({ code: 0 })
      expect(await deploy.ended).toMatchObject({ code: 7, stderr: expect.stringContaining('ROLLOUT_ABORTED') })
      watch.child.kill('SIGINT')
      expect(await watch.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('"station":"build"') })
    },
    SLOW,
  )

  it(
    'ends with exit code 9 however often and early it is interrupted, and the deploy goes on',
    async () => {
      const deploy = start('deploy')
      await deploy.told('source ')
      deploy.child.kill('SIGINT')
      for (const _again of [1, 2, 3]) {
        await new Promise(setImmediate)
        deploy.child.kill('SIGINT')
      }
      expect(await deploy.ended).toMatchObject({ code: 9, stderr: expect.stringContaining('error INTERRUPTED') })
      await naru('abort')
      // In the moment in which anybody listens for it.
      const early = await stage.naru(['deploy'], { cwd: app.repository, env: { NODE_OPTIONS: `--import=${EARLY}` } })
      expect(early).toMatchObject({ code: 9, stderr: expect.stringContaining('error INTERRUPTED') })
    },
    SLOW,
  )

  it(
    'does what was asked when nobody reads its answer',
    async () => {
      writeFileSync(mayGoOn, '')
      const deploy = start('deploy', '-o', 'json')
      deploy.child.stdout?.destroy()
      expect(await deploy.ended).toMatchObject({ code: 0 })
      expect(await status()).toMatchObject({ revision: 1, preparing: [], lastRollout: { endState: 'all-new' } })
      const watch = start('status', '--watch')
      watch.child.stdout?.destroy()
      expect(await watch.ended).toMatchObject({ code: 0 })
    },
    SLOW,
  )

  it(
    'starts the next server when the one that a command had started is killed, and sees its rollout through',
    async () => {
      await app.commit('good', { rollout: { minReadySeconds: 2 } })
      const deploy = start('deploy')
      await deploy.told('rollout  to revision')
      const server = new ApiClient({ kind: 'socket', path: join(stage.data, 'server.sock') })
      const { pid } = await server.get<ServerBody>('/v1/server', AbortSignal.timeout(30_000))
      process.kill(pid, 'SIGKILL')
      expect(await deploy.ended).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('all-new'),
        stderr: expect.stringContaining('the server was killed: starting the next one'),
      })
      expect(await status()).toMatchObject({ revision: 2, lastRollout: { endState: 'all-new' } })
    },
    SLOW,
  )

  it(
    'refuses logs that nobody wrote, and places of an image that are none',
    async () => {
      expect(await naru('logs', '--role', 'wbe')).toMatchObject({
        code: 5,
        stderr: 'error LOG_NOT_FOUND: there is no log of role wbe\n  Did you mean web?\n',
      })
      expect(await naru('logs', '--revision', '77')).toMatchObject({ code: 5 })
      expect(await naru('logs', '--role', 'web', '--tail', '1')).toMatchObject({ code: 0, stdout: /\n/ })
      for (const [wrong, meant] of [
        ['jsno', 'Did you mean json?'],
        ['oci', 'Did you mean oci:FOLDER?'],
        ['oci:', 'Did you mean oci:FOLDER?'],
        ['v1', 'Write json, text, oci:FOLDER'],
      ] as const) {
        expect(await naru('build', '-o', wrong)).toMatchObject({ code: 2, stderr: expect.stringContaining(meant) })
      }
      const layout = join(stage.folder, 'layout')
      const built = await naru('build', '--tag', 'v1', '-o', `oci:${layout}`)
      expect(built).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(/in the embedded registry as shop@sha256:\S+, shop:v1/),
      })
      expect(built.stderr).toContain(`the image was written to the image layout ${layout}`)
      rmSync(layout, { recursive: true })
    },
    SLOW,
  )

  it(
    'finds with doctor the same of a server that runs as without one',
    async () => {
      const lines = async () => {
        const found = jsonLines((await naru('doctor', '-o', 'json')).stdout)
        return found.filter(({ check }) => ['isolation', 'limits', 'note'].includes(String(check)))
      }
      const running = await lines()
      expect(running).toContainEqual(expect.objectContaining({ check: 'limits' }))
      await naru('server', '--end')
      expect(await lines()).toEqual(running)
    },
    SLOW,
  )
})
