import { describe, expect, it } from 'vitest'
import type { RolloutSettings } from '../../model/app.ts'
import { ROLLOUT_SETTINGS } from '../../model/testing.ts'
import { fencePosts, problemsOf } from './fence-posts.ts'

describe('fence posts (2.1)', () => {
  it.each([
    ['0%', '0%', 0, 0, 1],
    ['39%', '39%', 10, 4, 3],
    [undefined, '39%', 10, 0, 3],
    ['39%', undefined, 10, 4, 0],
    [undefined, undefined, 10, 0, 1],
    [2, 3, 10, 2, 3],
    // 29 % of 100 is 29, not the 29.000000000000004 of binary fractions rounded up.
    ['29%', '29%', 100, 29, 29],
    ['7%', 0, 100, 7, 0],
  ])('maxSurge %s and maxUnavailable %s of %i replicas are %i and %i', (surge, unavail, replicas, up, down) => {
    expect(fencePosts(surge, unavail, replicas)).toEqual({ ok: true, surge: up, unavailable: down })
  })

  it.each([
    ['oops', '39%', 'maxSurge'],
    ['55%', 'urg', 'maxUnavailable'],
    [-1, 0, 'maxSurge'],
    [0, 1.5, 'maxUnavailable'],
  ])('maxSurge %s and maxUnavailable %s are a problem of %s', (surge, unavail, key) => {
    expect(fencePosts(surge, unavail, 10)).toMatchObject({ ok: false, problem: { key } })
  })
})

describe('validation', () => {
  it.each<[string, Partial<RolloutSettings>, readonly string[]]>([
    ['the defaults are right', {}, []],
    ['both literally 0', { maxSurge: 0 }, ['maxUnavailable']],
    ['both literally 0%', { maxSurge: '0%', maxUnavailable: '0%' }, ['maxUnavailable']],
    ['both 0 under Recreate, which does not use them', { maxSurge: 0, strategy: 'Recreate' }, []],
    ['1% rounds to 0 but is not literally 0', { maxSurge: 0, maxUnavailable: '1%' }, []],
    ['no number', { maxSurge: 'x' as '1%' }, ['maxSurge']],
    ['more than all', { maxUnavailable: '101%' }, ['maxUnavailable']],
    ['exactly all', { maxUnavailable: '100%' }, []],
    ['an absolute number may exceed the replicas', { maxUnavailable: 200 }, []],
    ['the deadline is not after minReadySeconds', { minReadySeconds: 120 }, ['progressDeadlineSeconds']],
  ])('%s', (_name, more, keys) => {
    expect(problemsOf({ ...ROLLOUT_SETTINGS, ...more }).map(({ key }) => key)).toEqual(keys)
  })
})
