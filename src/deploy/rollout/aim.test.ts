import { describe, expect, it } from 'vitest'
import type { DesiredState, Rollout } from '../../model/rollout.ts'
import { aRollout } from '../../model/testing.ts'
import { aRelease } from '../testing.ts'
import { aimOf } from './aim.ts'

const was = (more: Partial<DesiredState>): DesiredState => ({
  revision: 1,
  scale: {},
  paused: false,
  sets: [],
  ...more,
})

describe('aimOf', () => {
  it.each<[string, Partial<Rollout>, Partial<DesiredState>, 'begun' | 'resumed', Partial<DesiredState>]>([
    ['a deploy aims at its release', {}, { scale: { web: 5 }, paused: true }, 'begun', { revision: 2 }],
    [
      'a deploy that is resumed keeps what was scaled and paused on the way',
      {},
      { revision: 2, scale: { web: 5 }, paused: true },
      'resumed',
      { revision: 2, scale: { web: 5 }, paused: true },
    ],
    [
      'a deploy that was killed before it aimed aims when it is resumed',
      {},
      { revision: 1 },
      'resumed',
      { revision: 2 },
    ],
    ['a deploy that rolls back aims at the old release', { phase: 'RollingBack' }, { revision: 2 }, 'begun', {}],
    [
      'a rollback that was killed before it aimed does so when it is resumed',
      { phase: 'RollingBack' },
      { revision: 2 },
      'resumed',
      {},
    ],
    [
      'a first deploy that is taken back aims at no replicas',
      { phase: 'RollingBack', from: null },
      { revision: 2 },
      'begun',
      { revision: 2, scale: { web: 0 } },
    ],
    ['a stop aims at no replicas', { kind: 'stop', to: 1 }, {}, 'begun', { scale: { web: 0 } }],
    [
      'a stop that was killed after it forgot the revision aims at no replicas of it',
      { kind: 'stop', to: 1 },
      { revision: null },
      'resumed',
      { revision: 1, scale: { web: 0 } },
    ],
    [
      'a scale changes nothing by itself',
      { kind: 'scale', to: 1 },
      { scale: { web: 5 } },
      'begun',
      { scale: { web: 5 } },
    ],
    [
      'what goes back brings the numbers from before back',
      { phase: 'RollingBack', scaleBefore: { web: 3 } },
      { revision: 2 },
      'begun',
      { revision: 1, scale: { web: 3 } },
    ],
    [
      'what was scaled on the way is kept on the way back',
      { phase: 'RollingBack', scaleBefore: { web: 3, worker: 2 } },
      { revision: 2, scale: { web: 5 } },
      'begun',
      { revision: 1, scale: { web: 5, worker: 2 } },
    ],
    [
      'a scale that is taken back brings the numbers back, not the release before',
      { kind: 'scale', to: 2, from: 1, phase: 'RollingBack', scaleBefore: { web: 3 } },
      { revision: 2, scale: { web: 5 } },
      'begun',
      { revision: 2, scale: { web: 3 } },
    ],
  ])('%s', (_name, rollout, before, when, expected) => {
    expect(aimOf(aRollout(rollout), aRelease(2), was(before), when)).toEqual(was(expected))
  })
})
