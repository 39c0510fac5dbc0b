import { describe, expect, it } from 'vitest'
import type { ObservedReplica } from '../model/observed.ts'
import { endStateOf, whatRuns } from './end-state.ts'
import { aReplica } from './testing.ts'

const observed = (...replicas: ObservedReplica[]) => ({ atMs: 0, replicas })
const old = aReplica('web-1-1')
const fresh = aReplica('web-2-1')

describe('end state', () => {
  it.each([
    ['all-new', 'it arrived', observed(fresh), 1, true],
    ['all-old', 'only old ones run', observed(old), 1, false],
    ['all-old', 'the new ones were told to go', observed(old, aReplica('web-2-1', { phase: 'Terminating' })), 1, false],
    ['all-old', 'a first deploy was cleaned', observed(aReplica('web-2-1', { phase: 'Exited' })), null, false],
    ['mixed', 'both run', observed(old, fresh), 1, false],
    ['mixed', 'a first deploy was not cleaned', observed(aReplica('web-2-1', { phase: 'Pending' })), null, false],
    ['mixed', 'only new ones run, and not all of them', observed(fresh), 1, false],
    ['mixed', 'nothing runs where something ran', observed(), 1, false],
  ] as const)('is %s when %s', (state, _why, seen, from, arrived) => {
    expect(endStateOf(seen, from, arrived)).toBe(state)
  })

  it('lists what runs by role and revision', () => {
    const list = whatRuns(observed(fresh, aReplica('web-1-2'), old, aReplica('worker-1-1'), aReplica('api-1-1')))
    expect(list.map(({ role, revision, replicas }) => `${role} ${revision} ${replicas}`)).toEqual([
      'api 1 1',
      'web 1 2',
      'web 2 1',
      'worker 1 1',
    ])
  })
})
