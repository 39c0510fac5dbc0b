import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HistoryBody, StatusBody } from '../../src/api/responses.ts'
import type { TestApp } from '../e2e/harness/test-app.ts'
import { CliStage, jsonLines, type Ran } from './cli-stage.ts'

const SLOW = 240_000
/** Seconds: a rollout that is still under way when the test has done what it wants, however busy the machine is. */
const NEVER = 60
const UNDER_WAY = 'rollout  to revision'

describe('commands under CI that share one data folder', () => {
  const stage = CliStage.open()
  const env = { CI: 'true' }
  let shop: TestApp
  let mail: TestApp
  const start = (app: TestApp, ...args: string[]) => stage.start(args, { cwd: app.repository, env })
  const naru = (app: TestApp, ...args: string[]) => start(app, ...args).ended
  const status = async (app: TestApp) =>
    jsonLines((await naru(app, 'status', '-o', 'json')).stdout)[0] as unknown as StatusBody
  const serves = async (app: TestApp) => (await fetch(app.url)).text()

  /** A deploy that stays under way for so long. */
  async function deployFor(app: TestApp, minReadySeconds: number) {
    const version = await app.commit('good', { rollout: { minReadySeconds } })
    return { ...start(app, 'deploy'), version }
  }

  const allNew = (ran: Ran) => {
    expect(ran, ran.stderr).toMatchObject({ code: 0 })
    expect(ran.stdout).toMatch(/all-new in /)
  }

  beforeAll(async () => {
    await stage.baseImage()
    shop = await stage.app('shop')
    mail = await stage.app('mail')
    for (const app of [shop, mail]) {
      await app.commit('good')
      allNew(await naru(app, 'deploy'))
    }
  }, SLOW)

  afterAll(async () => {
    expect(existsSync(join(stage.data, 'server.sock')), 'no server is left behind').toBe(false)
    expect(await stage.close()).toEqual([])
  }, SLOW)

  it(
    'deploy two apps at once: the one with the server stays until the other is done',
    async () => {
      const first = await deployFor(shop, 6)
      await first.told(UNDER_WAY)
      const second = await deployFor(mail, 8)
      await second.told(UNDER_WAY)
      allNew(await second.ended)
      const { stderr } = await first.ended
      allNew(await first.ended)
      expect(stderr).toContain('staying until mail (local) is done')
      expect(await serves(mail)).toContain(second.version)
    },
    SLOW,
  )

  it.each([
    ['under CI', ['deploy'], { CI: '1' }],
    ['with --no-server', ['deploy', '--no-server'], {}],
  ])(
    'deploy two apps in the same moment %s, and both end all-new',
    async (_how, args, how) => {
      for (const app of [shop, mail]) await app.commit('good')
      const both = [shop, mail].map((app) => stage.start(args, { cwd: app.repository, env: how }))
      for (const { ended } of both) allNew(await ended)
      expect(existsSync(join(stage.data, 'server.sock')), 'no server is left behind').toBe(false)
    },
    SLOW,
  )

  it(
    'deploy one app twice: the first is superseded, and the second is carried to its end',
    async () => {
      const first = await deployFor(shop, NEVER)
      await first.told(UNDER_WAY)
      const second = await deployFor(shop, 1)
      expect(await first.ended).toMatchObject({ code: 11, stderr: expect.stringContaining('ROLLOUT_SUPERSEDED') })
      allNew(await second.ended)
      expect(await serves(shop)).toContain(second.version)
    },
    SLOW,
  )

  it(
    'survive that the command with the server is killed in the middle of both rollouts',
    async () => {
      const first = await deployFor(shop, 3)
      await first.told(UNDER_WAY)
      const second = await deployFor(mail, 3)
      await second.told(UNDER_WAY)
      first.child.kill('SIGKILL')
      allNew(await second.ended)
      // What the killed one left was carried on by the one that opened the folder.
      expect(await status(shop)).toMatchObject({ rollout: null, lastRollout: { endState: 'all-new' } })
      expect(await serves(shop)).toContain(first.version)
    },
    SLOW,
  )

  it(
    'survive that it is killed while they are still building',
    async () => {
      const first = await deployFor(shop, 8)
      await first.told(UNDER_WAY)
      const mayGoOn = join(stage.folder, 'go')
      const version = await mail.commit('good', {
        build: { run: ['sh', '-c', `until [ -e ${mayGoOn} ]; do sleep 0.1; done`] },
      })
      const second = start(mail, 'deploy')
      await second.told('source')
      first.child.kill('SIGKILL')
      writeFileSync(mayGoOn, '')
      const ran = await second.ended
      allNew(ran)
      expect(ran.stderr).toContain('asking again')
      expect(ran.stderr).not.toContain('INTERRUPTED')
      expect(await serves(mail)).toContain(version)
    },
    SLOW,
  )

  it(
    'survive that it is interrupted, which ends only its own deploy',
    async () => {
      const first = await deployFor(shop, NEVER)
      await first.told(UNDER_WAY)
      const second = await deployFor(mail, 3)
      await second.told(UNDER_WAY)
      first.child.kill('SIGTERM')
      expect(await first.ended).toMatchObject({ code: 9, stderr: expect.stringContaining('INTERRUPTED') })
      // Whoever goes on with it now would wait for its end.
      expect(await naru(shop, 'abort')).toMatchObject({ code: 0 })
      allNew(await second.ended)
    },
    SLOW,
  )

  it(
    'end together when all of them are cancelled, and say where that leaves their apps',
    async () => {
      const first = await deployFor(shop, NEVER)
      await first.told(UNDER_WAY)
      const second = await deployFor(mail, NEVER)
      await second.told(UNDER_WAY)
      for (const { child } of [first, second]) child.kill('SIGTERM')
      for (const { ended } of [first, second]) {
        const { code, stderr } = await ended
        expect({ code, stderr }).toMatchObject({ code: 9, stderr: expect.stringContaining('error INTERRUPTED') })
        expect(stderr).not.toContain('the server carries it out')
      }
      for (const app of [shop, mail]) expect(await status(app)).toMatchObject({ unattended: true })
      const aborts = [shop, mail].map((app) => start(app, 'abort'))
      for (const { ended } of aborts) expect(await ended).toMatchObject({ code: 0 })
      for (const app of [shop, mail]) expect(await status(app)).toMatchObject({ unattended: false, rollout: null })
    },
    SLOW,
  )

  it(
    'interrupt what another command carries out, and go back with it there',
    async () => {
      const first = await deployFor(shop, 6)
      await first.told(UNDER_WAY)
      const second = await deployFor(mail, NEVER)
      await second.told(UNDER_WAY)
      second.child.kill('SIGTERM')
      expect(await second.ended).toMatchObject({ code: 9, stderr: expect.stringContaining('naru resume') })
      expect(await naru(mail, 'abort')).toMatchObject({ code: 0 })
      allNew(await first.ended)
      expect(await serves(mail)).not.toContain(`"${second.version}"`)
    },
    SLOW,
  )

  it(
    'change nothing when they only look, and say how an unfinished rollout goes on',
    async () => {
      const deploy = await deployFor(shop, 8)
      await deploy.told(UNDER_WAY)
      deploy.child.kill('SIGTERM')
      expect(await deploy.ended).toMatchObject({ code: 9, stderr: expect.stringContaining('naru resume') })
      const before = await status(shop)
      expect(before).toMatchObject({ unattended: true, rollout: { phase: 'Progressing', endState: null } })
      const shown = await naru(shop, 'status')
      expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('unfinished: nobody carries it on') })
      expect((await naru(shop, 'history')).stdout).toMatch(/^r-\d+ +deploy +r\d+ → r\d+ +Progressing/m)
      expect((await naru(shop, 'plan')).code).toBe(0)
      expect((await naru(shop, 'logs', '--tail', '1')).code).toBe(0)
      expect((await naru(shop, 'status', '--no-server')).stdout).toContain('naru resume')
      const after = await status(shop)
      const seen = ({ replicas }: StatusBody) => replicas.map(({ id, target }) => [id, target])
      expect(seen(after)).toEqual(seen(before))
      expect(after.rollout).toEqual(before.rollout)
      const resumed = await naru(shop, 'resume')
      allNew(resumed)
      const body = jsonLines((await naru(shop, 'history', '-o', 'json')).stdout)[0] as unknown as HistoryBody
      expect(body.rollouts[0]).toMatchObject({ id: before.rollout?.id, kind: 'deploy', endState: 'all-new' })
      // The receipt is of all of it, from before the interruption.
      expect((await naru(shop, 'history', '--receipt')).stdout).toMatch(
        /build[\s\S]*interrupted on the way[\s\S]*stop web/,
      )
      expect(await status(shop)).toMatchObject({ unattended: false, rollout: null })
    },
    SLOW,
  )
})
