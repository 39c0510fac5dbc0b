import { describe, expect, it } from 'vitest'
import type { App } from '../../model/app.ts'
import { anApp, aRoute } from '../testing.ts'
import { receiptTarget } from './receipt-target.ts'

describe('receiptTarget', () => {
  it.each<[string, Partial<App>, string]>([
    ['the readiness path by default', {}, 'http://127.0.0.1:8080/healthz'],
    ['the path that the file says', { receipt: { path: '/x', rate: 5 } }, 'http://127.0.0.1:8080/x'],
    [
      'loopback where every address is listened on',
      { routes: [aRoute('web', 80, '0.0.0.0')] },
      'http://127.0.0.1:80/healthz',
    ],
    ['brackets around IPv6', { routes: [aRoute('web', 80, '::1')] }, 'http://[::1]:80/healthz'],
    ['the root where readiness is no request', { roles: [] }, 'http://127.0.0.1:8080/'],
  ])('%s', (_name, more, url) => {
    expect(receiptTarget(anApp(more), 'deploy')).toMatchObject({ kind: 'url', url })
  })

  it.each<[string, Partial<App>, 'deploy' | 'stop', RegExp]>([
    ['it is off', { receipt: null }, 'deploy', /off in naru.yaml/],
    ['its rate is 0', { receipt: { path: null, rate: 0 } }, 'deploy', /off in naru.yaml/],
    ['there is no route', { routes: [] }, 'deploy', /no route/],
    ['the service is stopped', {}, 'stop', /stopped/],
  ])('says why nothing is measured: %s', (_name, more, kind, why) => {
    expect(receiptTarget(anApp(more), kind)).toMatchObject({ kind: 'none', why: expect.stringMatching(why) as string })
  })
})
