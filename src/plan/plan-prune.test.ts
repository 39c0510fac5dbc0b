import { describe, expect, it } from 'vitest'
import { planPrune } from './plan-prune.ts'

describe('history limit (2.15)', () => {
  it.each<[string, number[], number[], number, number[]]>([
    ['the oldest beyond the limit', [1, 2, 3], [], 1, [1, 2]],
    ['only what is not in use', [1, 2, 3, 4], [2, 3, 4], 0, [1]],
    ['all old ones without a history', [1, 2], [], 0, [1, 2]],
    ['nothing that is in use', [1, 2], [1, 2], 0, []],
    ['nothing that is deleted already', [], [], 0, []],
    ['nothing within the limit', [1, 2, 3], [], 2_147_483_647, []],
  ])('forgets %s', (_name, revisions, inUse, limit, forgotten) => {
    expect(planPrune([...revisions, 9], [9, ...inUse], limit, 9)).toEqual(forgotten)
  })

  it.each<[string, number[], number[], number, number[]]>([
    // Listed in the order of creation; a missing revision counts as the oldest (here 0).
    ['1, 2', [1, 2], [], 1, [1]],
    ['2, 1', [2, 1], [], 1, [1]],
    ['1, none', [1, 0], [], 1, [0]],
    ['none, 2', [0, 2], [], 1, [0]],
    ['1 (in use), 2, 3', [1, 2, 3], [1], 1, [2]],
    ['1 (in use), 2 (in use), 3', [1, 2, 3], [1, 2], 1, []],
    ['3, 1, 4, 2', [3, 1, 4, 2], [], 2, [1, 2]],
  ])('of %s by revision, whatever the order', (_name, revisions, inUse, limit, forgotten) => {
    expect(planPrune(revisions, inUse, limit)).toEqual(forgotten)
  })

  it('does not count the wanted revision, also when it is an old one after a rollback', () => {
    expect(planPrune([1, 2, 3], [1], 1, 1)).toEqual([2])
  })
})
