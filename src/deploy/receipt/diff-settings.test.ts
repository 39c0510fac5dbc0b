import { describe, expect, it } from 'vitest'
import { anApp } from '../testing.ts'
import { changedSettings, diffSettings } from './diff-settings.ts'

describe('changedSettings', () => {
  it('names what is new, different and gone, sorted by path', () => {
    const from = anApp({ env: { A: '1', B: '2' } })
    const to = anApp({ env: { B: '3', C: '4' } })
    expect(changedSettings(from, to)).toEqual([
      { path: 'env.A', from: '"1"', to: null },
      { path: 'env.B', from: '"2"', to: '"3"' },
      { path: 'env.C', from: null, to: '"4"' },
    ])
    expect(diffSettings(from, to)).toEqual({ added: 2, removed: 1 })
  })

  it('compares roles by their name, wherever they stand', () => {
    const [web] = anApp().roles
    if (web === undefined) throw new Error('no role')
    const worker = { ...web, name: 'worker' }
    expect(changedSettings(anApp({ roles: [web, worker] }), anApp({ roles: [worker, web] }))).toEqual([])
  })

  it('tells a key that comes or goes as a whole as one change, and never a null', () => {
    const migrate = { run: ['./migrate'], timeoutSeconds: 600 }
    const come = { path: 'migrate', from: null, to: '{"run":["./migrate"],"timeoutSeconds":600}' }
    expect(changedSettings(anApp(), anApp({ migrate }))).toEqual([come])
    expect(changedSettings(anApp({ migrate }), anApp())).toEqual([{ ...come, from: come.to, to: null }])
    expect(diffSettings(anApp(), anApp({ migrate }))).toEqual({ added: 1, removed: 0 })
  })

  it('tells a list as one value', () => {
    const secret = (...names: string[]) => anApp({ secrets: names.map((name) => ({ name, file: null })) })
    expect(changedSettings(secret('A'), secret('A', 'B'))).toEqual([
      { path: 'secrets', from: '["A"]', to: '["A","B"]' },
    ])
    expect(changedSettings(anApp(), secret('A'))).toMatchObject([{ from: null, to: '["A"]' }])
    const file = anApp({ secrets: [{ name: 'A', file: '/run/a' }] })
    expect(changedSettings(secret('A'), file)).toMatchObject([{ to: '[{"name":"A","file":"/run/a"}]' }])
  })

  it("speaks naru.yaml's words and units", () => {
    const [web] = anApp().roles
    if (web === undefined) throw new Error('no role')
    const resources = { ...web.resources, cpuRequestMilli: 500, memoryLimitBytes: 512 * 2 ** 20 }
    const readiness = { kind: 'tcp', port: null } as const
    const to = anApp({ roles: [{ ...web, startupSeconds: 5, readiness, resources }] })
    const written = changedSettings(anApp(), to).map((change) => [change.path, change.from, change.to])
    expect(written).toEqual([
      ['roles.web.health.readiness.path', '"/healthz"', null],
      ['roles.web.health.readiness.tcp', null, 'true'],
      ['roles.web.health.startup', '60', '5'],
      ['roles.web.resources.limits.memory', null, '"512Mi"'],
      ['roles.web.resources.requests.cpu', null, '"500m"'],
    ])
  })

  it('leaves the source to its own line, and counts nothing for a first release', () => {
    const elsewhere = { kind: 'git', url: 'https://x', ref: null, folder: '', submodules: false } as const
    expect(changedSettings(anApp(), anApp({ source: elsewhere }))).toEqual([])
    expect(diffSettings(null, anApp())).toEqual({ added: 0, removed: 0 })
  })
})
