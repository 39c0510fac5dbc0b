import { expect, it } from 'vitest'
import type { TargetRecord } from './router-state.ts'
import { SilentTargets } from './silent-targets.ts'

const draining: TargetRecord = {
  replica: 'web-1-1',
  role: 'web',
  revision: 1,
  address: { host: '127.0.0.1', port: 20_000 },
  state: 'Draining',
  sinceMs: 1000,
}

it('knows a target as silent until it is forgotten, admitted again, or drains anew', () => {
  const silent = new SilentTargets()
  expect(silent.has('a/b', draining)).toBe(false)
  silent.add('a/b', draining)
  expect(silent.has('a/b', draining)).toBe(true)
  expect(silent.has('a/c', draining)).toBe(false)
  expect(silent.has('a/b', { ...draining, state: 'Active' })).toBe(false)
  expect(silent.has('a/b', { ...draining, sinceMs: 2000 })).toBe(false)
  silent.forget('a/b', 'web-1-1')
  expect(silent.has('a/b', draining)).toBe(false)
})
