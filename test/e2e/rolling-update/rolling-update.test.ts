import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OpenLoop } from '../harness/open-loop.ts'
import { renderEvents } from '../harness/operation.ts'
import { hasKernelPath, type RouterPath, Stage } from '../harness/stage.ts'
import { Upgraded } from './upgraded.ts'

describe.each<RouterPath>(['userland', 'nftables'])('a rolling update through %s', (router) => {
  describe.skipIf(router === 'nftables' && !hasKernelPath)('(left out without root)', { timeout: 120_000 }, () => {
    let stage: Stage
    beforeAll(async () => {
      stage = await Stage.open({ router })
    })
    afterAll(async () => {
      expect(await stage.close()).toEqual([])
    })

    it('must lose no request, keep the limits, and measure itself', async () => {
      const app = await stage.app('roll')
      const settings = { replicas: 2, receipt: { path: '/', rate: 100 } }
      await app.commit('good', settings)
      const first = await stage.deploy(app)
      expect(first, renderEvents(first.events)).toMatchObject({ exit: 0, end: { endState: 'all-new', revision: 1 } })
      const load = new OpenLoop(app.url, 100)
      await app.commit('good', { ...settings, env: { SETTING: 'new' } })
      const second = await stage.deploy(app)
      const story = renderEvents(second.events)
      expect(await load.stop(), story).toEqual([])
      expect(Object.keys(load.byRevision).sort()).toEqual(['1', '2'])
      expect(second, story).toMatchObject({ exit: 0, end: { endState: 'all-new', revision: 2 }, failures: [] })
      expect(second.receipt).toMatchObject({
        from: 1,
        to: 2,
        by: 'test',
        subject: 'v2 good',
        endState: 'all-new',
        requests: { kind: 'measured', lost: 0, gaps: [] },
        fewestAvailable: 2,
        replicas: 2,
        cut: 0,
        reading: router === 'userland' ? 'bytes' : 'queues',
        settings: { added: 1, removed: 0 },
        back: { command: 'naru rollback', revision: 1 },
      })
      const { requests } = second.receipt ?? {}
      if (requests?.kind !== 'measured') throw new Error('not measured')
      expect(requests.sent).toBe(requests.answered)
      expect(requests.sent).toBeGreaterThan(0)
      expect((await stage.history(app)).map(({ to, endState, lost }) => [to, endState, lost])).toEqual([
        [2, 'all-new', 0],
        [1, 'all-new', 0],
      ])
    })

    it('must let a long answer and an upgraded connection finish, and send new requests elsewhere (F10)', async () => {
      const app = await stage.app('long')
      await app.commit('good', { replicas: 1, rollout: { terminationGracePeriodSeconds: 20 } })
      await stage.deploy(app)
      const answer = fetch(`${app.url}/stream?ms=3000`).then((response) => response.text())
      const upgraded = await Upgraded.open(app.url)
      upgraded.send('before\n')
      await app.commit('good', { replicas: 1, rollout: { terminationGracePeriodSeconds: 20 } })
      const ended = await stage.deploy(app, (event) => {
        if (event.kind === 'step' && event.step.kind === 'drain') upgraded.send('while it drains\n')
      })
      expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 0, receipt: { cut: 0, requests: { lost: 0 } } })
      expect(await answer).toMatch(/end\n$/)
      expect(await upgraded.end()).toBe('before\nwhile it drains\nbye\n')
    })

    it('must kill what ignores SIGTERM at the end of its grace period, and tell what was cut (F11)', async () => {
      const app = await stage.app('deaf')
      const settings = { replicas: 1, rollout: { terminationGracePeriodSeconds: 1 } }
      await app.commit('deaf', settings)
      await stage.deploy(app)
      // Its head is here, so the answer is open; the kernel's path counts open connections only of what drains.
      const response = await fetch(`${app.url}/stream?ms=60000`)
      const answer = response.text()
      answer.catch(() => {})
      await app.commit('good', settings)
      const ended = await stage.deploy(app)
      expect(ended, renderEvents(ended.events)).toMatchObject({ exit: 0, end: { endState: 'all-new' } })
      expect(ended.receipt?.cut).toBeGreaterThanOrEqual(1)
      expect(ended.receipt?.timeline.map(({ cause }) => cause)).toContain(
        'did not end within 1 s of the stop signal: killed',
      )
      expect(ended.receipt?.notes[0]).toContain('web-1-1 did not end within 1 s')
      await expect(answer).rejects.toThrow()
    })
  })
})
