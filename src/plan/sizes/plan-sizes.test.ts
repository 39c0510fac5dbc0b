import { describe, expect, it } from 'vitest'
import type { RolloutSpec } from '../../model/rollout.ts'
import { aCountedSet, aSpec } from '../testing.ts'
import { type CountedSet, sumSize, sumTerminating, sumTotal } from './counted-set.ts'
import { planSizes } from './plan-sizes.ts'
import { fractionOf, scaleProportionally } from './proportional-scaling.ts'
import { oldStillRuns, recreate } from './recreate.ts'
import { cleanUnhealthy, dropHealthy, scaleDown } from './scale-down.ts'
import { scaleUp } from './scale-up.ts'

const OLD = 1
const NEW = 2

describe('scale up, one round (2.3)', () => {
  it.each([
    [10, 0, 10, 0, null],
    [10, 2, 10, 0, 2],
    [10, 2, 5, 0, 7],
    [10, 2, 10, 2, null],
    [10, 2, 2, 11, 10],
    [10, 2, 0, 10, null],
  ])('%i replicas, surge %i, old %i, new %i: new becomes %s', (replicas, maxSurge, old, next, after) => {
    const sizes = scaleUp(aSpec({ replicas, maxSurge }), aCountedSet({ revision: NEW, size: next }), [
      aCountedSet({ revision: OLD, size: old }),
    ])
    expect(sizes.get(NEW) ?? null).toBe(after)
  })

  it.each([
    // The others sum to 5, and upstream leaves the new set out of the sum: 5 of others, so old is 5 - new.size.
    ['grows to all when there is room (upstream: 6, 2, 10)', 6, 10, 3, 2, 6],
    ['shrinks a new set that is too large', 1, 1, 0, 5, 1],
  ])('%s', (_name, replicas, maxSurge, old, next, after) => {
    const sizes = scaleUp(
      aSpec({ replicas, maxSurge, maxUnavailable: 1 }),
      aCountedSet({ revision: NEW, size: next }),
      [aCountedSet({ revision: OLD, size: old })],
    )
    expect(sizes.get(NEW)).toBe(after)
  })

  it.each([
    ['TerminationStarted', 1, 4],
    ['TerminationComplete', 1, 3],
    ['TerminationComplete', 0, 4],
    ['TerminationComplete', 2, 2],
    ['TerminationComplete', 4, null],
    ['TerminationComplete', null, null],
    ['TerminationStarted', null, 4],
  ] as const)('%s: %s terminating replicas leave room for a new set of %s', (replacement, terminating, after) => {
    const spec = aSpec({ replicas: 10, maxSurge: 2, replacement })
    const old = aCountedSet({ revision: OLD, size: 8, terminating })
    expect(scaleUp(spec, aCountedSet({ revision: NEW, size: 0 }), [old]).get(NEW) ?? null).toBe(after)
  })
})

describe('scale down, one round (2.4)', () => {
  it.each([
    // replicas, unavail, old.spec, new.spec, old available, new available, after
    [10, 1, 10, 0, 10, 0, 9, '0/0 counts as 1'],
    [10, 2, 10, 0, 10, 0, 8, 'within maxUnavailable'],
    [10, 2, 10, 0, 8, 0, 8, 'the unhealthy are cleaned up'],
    [10, 2, 10, 0, 9, 0, 8, '1 sick and 1 healthy'],
    [10, 2, 8, 2, 8, 0, null, 'new replicas that are not available allow nothing'],
    [10, 2, 0, 10, 0, 10, null, 'nothing old is left'],
    [10, 2, 1, 9, 1, 9, 0, 'never below 0'],
    [3, 0, 3, 1, 1, 0, null, 'new ones not available protect the sick old'],
    [3, 0, 2, 2, 1, 2, 1, 'a sick one goes when the new ones serve'],
    [10, 2, 10, 0, 7, 0, 8, 'the sick go even when too few serve'],
  ])('%i replicas, unavailable %i, old %i, new %i, available %i and %i: old becomes %s (%s)', (...row) => {
    const [replicas, maxUnavailable, old, next, oldAvailable, newAvailable, after] = row
    const sizes = scaleDown(
      aSpec({ replicas, maxUnavailable, maxSurge: 0 }),
      aCountedSet({ revision: NEW, size: next, available: newAvailable }),
      [aCountedSet({ revision: OLD, size: old, available: oldAvailable })],
    )
    expect(sizes.get(OLD) ?? null).toBe(after)
  })

  it('takes from the oldest set first, the sick of all before the healthy of any', () => {
    const old = [
      aCountedSet({ revision: 2, size: 3, available: 2 }),
      aCountedSet({ revision: 1, size: 3, available: 3 }),
    ]
    const sizes = scaleDown(aSpec({ replicas: 6, maxUnavailable: 2 }), aCountedSet({ revision: 3, size: 0 }), old)
    expect([...sizes].sort()).toEqual([
      [1, 2],
      [2, 2],
    ])
  })
})

describe('unhealthy first (2.5)', () => {
  it.each([
    [10, 8, 1, 1],
    [10, 8, 3, 2],
    [10, 8, 0, 0],
    [10, 10, 3, 0],
  ])('of %i with %i available, at most %i: %i cleaned', (size, available, most, cleaned) => {
    const sizes = cleanUnhealthy([aCountedSet({ revision: OLD, size, available })], most)
    expect(size - (sizes.get(OLD) ?? size)).toBe(cleaned)
  })
})

describe('then healthy ones (2.6; no new set)', () => {
  it.each([
    [1, 10, 10, 9],
    [2, 10, 10, 8],
    [2, 8, 10, null],
    [2, 10, 0, null],
    [2, 1, 10, null],
  ])('unavailable %i, %i available, size %i: becomes %s', (maxUnavailable, available, size, after) => {
    const spare = available - (10 - maxUnavailable)
    expect(dropHealthy([aCountedSet({ revision: OLD, size, available })], spare).get(OLD) ?? null).toBe(after)
  })
})

/** Sets from sizes, newest first; each recorded the old number of replicas. */
function recorded(sizes: readonly number[], replicas: number, surge: number): readonly CountedSet[] {
  return sizes.map((size, index) =>
    aCountedSet({ revision: sizes.length - index, size, desiredReplicas: replicas, maxReplicas: replicas + surge }),
  )
}

describe('proportional scaling (2.7)', () => {
  it.each<[string, number, number, number[], number[], number, number, boolean]>([
    // name, before, after, sizes, result, surge before, surge after, whether there is a new set
    ['one set, up', 10, 12, [10], [12], 0, 0, true],
    ['one set, down', 10, 5, [10], [5], 0, 0, true],
    ['proportional 5 to 10', 5, 10, [2, 3], [4, 6], 0, 0, true],
    ['proportional 5 to 3', 5, 3, [2, 3], [1, 2], 0, 0, true],
    ['proportional 9 to 4', 9, 4, [8, 1], [4, 0], 0, 0, true],
    ['proportional 7 to 10', 7, 10, [2, 3, 2], [3, 4, 3], 0, 0, true],
    ['proportional 13 to 8', 13, 8, [2, 8, 3], [1, 5, 2], 0, 0, true],
    ['leftover goes to the newest', 3, 4, [1, 1, 1], [2, 1, 1], 0, 0, true],
    ['leftover is taken from the oldest', 3, 2, [1, 1, 1], [1, 1, 0], 0, 0, true],
    ['no new set', 4, 5, [2, 2], [3, 2], 0, 0, false],
    ['to zero', 6, 0, [3, 2, 1], [0, 0, 0], 0, 0, true],
    ['from zero (6 is already recorded)', 6, 6, [0, 0, 0], [6, 0, 0], 0, 0, true],
    ['surge 2 before and after', 10, 20, [6, 6], [11, 11], 2, 2, true],
    ['surge 3 to 6', 10, 50, [5, 8], [22, 34], 3, 6, true],
    ['template changed too, no new set', 10, 14, [7, 3], [10, 4], 0, 0, false],
  ])('%s: %i to %i', (_name, before, replicas, sizes, result, surgeBefore, maxSurge, hasNew) => {
    const sets = recorded(sizes, before, surgeBefore)
    const scaled = scaleProportionally(aSpec({ replicas, maxSurge }), sets, hasNew ? sets.length : null)
    expect(sets.map(({ revision, size }) => scaled.get(revision) ?? size)).toEqual(result)
  })

  it('an update failed half way: the second set still records 3, and grows', () => {
    const sets = recorded([2, 1, 1], 5, 0).map((set) =>
      set.revision === 2 ? { ...set, desiredReplicas: 3, maxReplicas: 3 } : set,
    )
    const spec = aSpec({ replicas: 5, maxSurge: 0 })
    expect([...scaleProportionally(spec, sets, 3)].sort()).toEqual([
      [1, 1],
      [2, 2],
      [3, 2],
    ])
  })

  it('a new set at full size with 0 available leaves the old one alone', () => {
    const sets = recorded([2, 1], 2, 1).map((set) => (set.revision === 2 ? { ...set, available: 0 } : set))
    const sizes = scaleProportionally(aSpec({ replicas: 2, maxSurge: 1, maxUnavailable: 1 }), sets, 2)
    expect([...sizes].sort()).toEqual([
      [1, 1],
      [2, 2],
    ])
  })

  it('has nothing to share among no sets', () => {
    expect(scaleProportionally(aSpec(), [], null).size).toBe(0)
  })

  it('a saturated new set ends the old ones', () => {
    const sets = recorded([2, 1], 2, 1)
    expect([...scaleProportionally(aSpec({ replicas: 2, maxUnavailable: 1 }), sets, 2)]).toEqual([[1, 0]])
  })

  it('keeps the proportion of the scenario with a bad image: 8 and 5 of 10 become 20 and 13 of 30', () => {
    const sets = recorded([5, 8], 10, 3)
    expect([...scaleProportionally(aSpec({ replicas: 30, maxSurge: 3 }), sets, 2)].sort()).toEqual([
      [1, 20],
      [2, 13],
    ])
  })
})

describe('fraction of one set (2.8)', () => {
  it.each([
    [0, 0, 10, null, 0, -10],
    [10, 0, 5, null, 0, 0],
    [10, 0, 5, 0, 0, 0],
    [120, 0, 50, null, 100, 10],
    [120, 0, 50, 0, 100, 10],
    [120, 0, 50, 100, 0, 10],
    [120, 10, 50, 110, 0, 9],
    [10, 0, 6, 12, 0, -1],
    [100, 10, 50, 130, 0, -8],
  ])(
    '%i replicas, surge %i, size %i, recorded %s, running %i: %i',
    (replicas, maxSurge, size, maxReplicas, running, change) => {
      const set = aCountedSet({ revision: 1, size, maxReplicas })
      expect(fractionOf(aSpec({ replicas, maxSurge }), set, running)).toBe(change)
    },
  )
})

describe('recreate (2.16)', () => {
  it.each<[string, readonly CountedSet[], boolean]>([
    ['no old set', [], false],
    ['two sets with two replicas each', [1, 2].map((revision) => aCountedSet({ revision, size: 0, total: 2 })), true],
    ['a count of 1, none listed', [aCountedSet({ revision: 1, size: 0, total: 1 })], true],
    ['none', [aCountedSet({ revision: 1, size: 0 })], false],
    ['Failed and Succeeded ones, which are counted nowhere', [aCountedSet({ revision: 1, size: 0 })], false],
    ['Unknown', [aCountedSet({ revision: 1, size: 0, terminating: null })], true],
    ['Pending', [aCountedSet({ revision: 1, size: 0, total: 1, available: 0 })], true],
    ['Running', [aCountedSet({ revision: 1, size: 0, total: 1 })], true],
    [
      'ended ones, and one Pending of another set',
      [0, 1].map((total) => aCountedSet({ revision: total, size: 0, total })),
      true,
    ],
    ['one that is stopping', [aCountedSet({ revision: 1, size: 0, terminating: 1 })], true],
  ])('old replicas run: %s', (_name, old, runs) => {
    expect(oldStillRuns(old)).toBe(runs)
  })

  const spec = aSpec({ strategy: 'Recreate', replicas: 3, maxSurge: 0 })
  it.each([
    ['takes an old set of 3 to 0 in one step', 0, 3, 3, [[OLD, 0]]],
    ['waits until the last old replica is gone', 0, 0, 1, []],
    ['then starts the new set at full size', 0, 0, 0, [[NEW, 3]]],
    ['has a new set of 1 at full size next (upstream: 3, 1, 1)', 1, 0, 0, [[NEW, 3]]],
    ['shrinks the new set', 5, 0, 0, [[NEW, 3]]],
    ['has nothing to do at full size', 3, 0, 0, []],
  ])('%s', (_name, next, old, total, sizes) => {
    const sets = [aCountedSet({ revision: OLD, size: old, total })]
    expect([...recreate(spec, aCountedSet({ revision: NEW, size: next }), sets)]).toEqual(sizes)
  })
})

describe('sums (2.18)', () => {
  const rs1 = aCountedSet({ revision: 1, size: 1, total: 2, terminating: 3 })
  const rs2 = aCountedSet({ revision: 2, size: 2, total: 3, terminating: 1 })
  // Never observed: nothing of it was ever started, so nothing terminates.
  const rs3 = aCountedSet({ revision: 3, size: 3, total: 0, terminating: 0 })
  const rs4 = aCountedSet({ revision: 4, size: 1, total: 1, terminating: null })
  it.each([
    ['rs1', [rs1], 1, 2, 3],
    ['rs1, rs2', [rs1, rs2], 3, 5, 4],
    ['rs3', [rs3], 3, 0, 0],
    ['rs1, rs2, rs3', [rs1, rs2, rs3], 6, 5, 4],
    ['rs4', [rs4], 1, 1, null],
    ['all', [rs1, rs2, rs3, rs4], 7, 6, null],
  ])('%s', (_name, sets, size, total, terminating) => {
    expect([sumSize(sets), sumTotal(sets), sumTerminating(sets)]).toEqual([size, total, terminating])
  })
})

describe('one round', () => {
  const sizesAfter = (
    spec: RolloutSpec,
    sets: readonly CountedSet[],
    freedom: 'roll' | 'scale' = 'roll',
  ): readonly string[] =>
    planSizes(spec, sets, NEW, freedom).map(
      ({ revision, size, desiredReplicas, maxReplicas }) => `${revision}: ${size} of ${desiredReplicas}/${maxReplicas}`,
    )
  const spec = aSpec({ replicas: 3, maxSurge: 1 })
  const full = aCountedSet({ revision: OLD, size: 3, desiredReplicas: 3, maxReplicas: 4 })
  const empty = aCountedSet({ revision: NEW, size: 0 })

  it.each<[string, RolloutSpec, readonly CountedSet[], readonly string[]]>([
    ['grows the new set and records for what', spec, [full, empty], ['1: 3 of 3/4', '2: 1 of 3/4']],
    [
      'shrinks the old ones only in a round of its own',
      aSpec({ replicas: 3, maxSurge: 1, maxUnavailable: 1 }),
      [full, empty],
      ['1: 3 of 3/4', '2: 1 of 3/4'],
    ],
    [
      'follows a changed number first, and rolls in a later round',
      aSpec({ replicas: 5, maxSurge: 2 }),
      [full, empty],
      ['1: 5 of 5/7', '2: 0 of 5/7'],
    ],
    [
      'records a change that moves no size, and goes on in the same round',
      aSpec({ replicas: 4, maxSurge: 0, maxUnavailable: 1 }),
      [{ ...full, size: 4, available: 4, total: 4 }, empty],
      ['1: 3 of 4/4', '2: 0 of 4/4'],
    ],
    [
      'does not scale an old set that Recreate ends anyway',
      aSpec({ strategy: 'Recreate', replicas: 5, maxSurge: 0 }),
      [full, empty],
      ['1: 0 of 5/5', '2: 0 of null/null'],
    ],
    ['does not touch sets of which the wanted one is missing', spec, [full], ['1: 3 of 3/4']],
  ])('%s', (_name, spec, sets, expected) => {
    expect(sizesAfter(spec, sets)).toEqual(expected)
  })

  it.each<[string, RolloutSpec, readonly CountedSet[], readonly string[]]>([
    ['does not roll', spec, [full, empty], ['1: 3 of 3/4', '2: 0 of null/null']],
    ['follows a changed number', aSpec({ replicas: 5, maxSurge: 2 }), [full], ['1: 5 of 5/7']],
    ['follows from zero', spec, [{ ...empty, desiredReplicas: 0, maxReplicas: 0 }], ['2: 3 of 3/4']],
    [
      'starts no set beside an old one that is on its way out',
      spec,
      [{ ...full, size: 0 }, empty],
      ['1: 0 of 3/4', '2: 0 of null/null'],
    ],
    [
      'follows a changed number under Recreate as well',
      aSpec({ strategy: 'Recreate', replicas: 5, maxSurge: 0 }),
      [full],
      ['1: 5 of 5/5'],
    ],
    ['creates nothing', spec, [], []],
  ])('while only scaling is allowed it %s', (_name, spec, sets, expected) => {
    expect(sizesAfter(spec, sets, 'scale')).toEqual(expected)
  })
})
