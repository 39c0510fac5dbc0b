import { describe, expect, it } from 'vitest'
import { DeployError } from '../model/failure.ts'
import type { EndState, RolloutKind } from '../model/rollout.ts'
import { lastAllNew, type Past, planRollback, whereBack } from './plan-rollback.ts'

const past = (to: number, from: number | null, endState: EndState | null = 'all-new', kind: RolloutKind = 'deploy') =>
  ({ kind, to, from, endState }) satisfies Past

describe('where a rollback goes by default', () => {
  it.each<[string, Past[], number | null, number | null, number | null]>([
    // what happened, newest first; the wanted revision now; where back; the last stable one
    ['nothing was ever deployed', [], null, null, null],
    ['there is only one', [past(1, null)], 1, null, 1],
    ['the one before', [past(2, 1), past(1, null)], 2, 1, 2],
    ['not one that failed', [past(3, 1), past(2, 1, 'all-old'), past(1, null)], 3, 1, 3],
    [
      'after a failure that went back, the one before what runs',
      [past(3, 2, 'all-old'), past(2, 1), past(1, null)],
      2,
      1,
      2,
    ],
    ['after a held failure, what ran before', [past(3, 2, 'mixed'), past(2, 1), past(1, null)], 3, 2, 2],
    ['back and forth', [past(1, 2, 'all-new', 'rollback'), past(2, 1), past(1, null)], 1, 2, 1],
    ['scaling is no other revision', [past(2, 2, 'all-new', 'scale'), past(2, 1), past(1, null)], 2, 1, 2],
    ['one under way counts as current', [past(3, 2, null), past(2, 1), past(1, null)], 3, 2, 2],
    ['after a stop, what was stopped', [past(2, 2, 'all-new', 'stop'), past(2, 1), past(1, null)], null, 2, null],
  ])('%s', (_name, history, current, back, stable) => {
    expect(whereBack({ history, revisions: [3, 2, 1], current })).toBe(back)
    expect(lastAllNew(history)).toBe(stable)
  })
})

describe('planRollback', () => {
  const history = [past(4, 3), past(3, 1), past(2, 1, 'all-old'), past(1, null)]
  const codeOf = (request: Partial<Parameters<typeof planRollback>[0]>): unknown => {
    try {
      return planRollback({ history, revisions: [4, 3, 2, 1], current: 4, wanted: null, ...request })
    } catch (thrown) {
      return thrown instanceof DeployError ? thrown.code : thrown
    }
  }
  it.each<[string, Partial<Parameters<typeof planRollback>[0]>, unknown]>([
    ['goes to the last other one that ended all-new', {}, 3],
    ['skips what history has forgotten', { revisions: [4, 2, 1] }, 1],
    ['goes to the one that was asked for, even if it failed', { wanted: 2 }, 2],
    ['refuses the wanted one', { wanted: 4 }, 'NOTHING_TO_ROLL_BACK'],
    ['refuses one that there is not', { wanted: 7 }, 'RELEASE_NOT_FOUND'],
    ['refuses where there is no other', { history: [past(4, null)] }, 'NOTHING_TO_ROLL_BACK'],
    ['comes back after a stop', { current: null }, 4],
    ['refuses an unknown one where nothing was deployed', { wanted: 1, revisions: [] }, 'RELEASE_NOT_FOUND'],
  ])('%s', (_name, request, expected) => {
    expect(codeOf(request)).toBe(expected)
  })
})
