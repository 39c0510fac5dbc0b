import { describe, expect, it } from 'vitest'
import type { FailureReport } from '../model/failure.ts'
import type { Rollout } from '../model/rollout.ts'
import { aRollout } from '../model/testing.ts'
import { ARRIVED, TOO_LATE } from './completion.ts'
import { steerRollout } from './steer-rollout.ts'

const cause: FailureReport = { code: 'REPLICA_CRASHED', message: 'exited with 1', hint: 'see the log', detail: {} }
const rollout = (more: Partial<Rollout>): Rollout => aRollout({ startedAtMs: 0, progressedAtMs: 0, ...more })

/** Nothing proven, nothing arrived. */
const round = (of: Rollout) => ({ rollout: of, complete: false, firstCause: null, paused: false })

const NO_DEADLINE = 2_147_483_647
const AT_DEADLINE = 10_000
const PAST = 10_001
const FAILED = { firstCause: cause }
const BACK = { phase: 'RollingBack', failure: cause } as const

it.each([
  // name                                              rollout                   round                     onFailure   now          verdict
  ['goes on before the deadline', {}, {}, 'rollback', AT_DEADLINE, 'go-on'],
  ['ends when it is complete', {}, { complete: true }, 'rollback', 0, 'complete'],
  ['ends when it is complete past the deadline', {}, { complete: true }, 'rollback', PAST, 'complete'],
  ['rolls back at the first cause', {}, FAILED, 'rollback', 0, 'roll-back'],
  ['holds at the first cause', {}, FAILED, 'hold', 0, 'hold'],
  ['continues after the first cause', {}, FAILED, 'continue', 0, 'go-on'],
  ['gives up a continued failure at the deadline', {}, FAILED, 'continue', PAST, 'give-up'],
  ['rolls back past the deadline', {}, {}, 'rollback', PAST, 'roll-back'],
  ['holds past the deadline', {}, {}, 'hold', PAST, 'hold'],
  ['has no deadline while paused', {}, { paused: true }, 'rollback', PAST, 'go-on'],
  ['fails at a first cause while paused', {}, { paused: true, ...FAILED }, 'rollback', 0, 'roll-back'],
  ['rolls back when aborted, whatever is set', { abortedBy: 'kim' }, {}, 'hold', 0, 'roll-back'],
  ['rolls back when aborted while paused', { abortedBy: 'kim' }, { paused: true }, 'continue', 0, 'roll-back'],
  ['goes on going back after an abort', { ...BACK, abortedBy: 'kim' }, {}, 'rollback', 0, 'go-on'],
  ['goes on going back, whatever a replica says', BACK, FAILED, 'rollback', 0, 'go-on'],
  ['gives up going back past the deadline', BACK, {}, 'hold', PAST, 'give-up'],
  ['ends going back when it is complete', BACK, { complete: true }, 'rollback', 0, 'complete'],
] as const)('%s', (_name, more, round, onFailure, now, expected) => {
  const settings = { onFailure, progressDeadlineSeconds: 10 }
  const verdict = steerRollout(
    { rollout: rollout(more), settings, complete: false, firstCause: null, paused: false, ...round },
    now,
  )
  expect(verdict.kind).toBe(expected)
})

describe('when to look again (2.13; deadline 60 s)', () => {
  // Upstream's timer counts whole seconds and looks at once in the last one; ours is set to the first moment at which the
  // strict comparison holds.
  it.each([
    ['no deadline', NO_DEADLINE, {}, 30_000, null],
    ['complete', 60, { progressReason: ARRIVED }, 30_000, null],
    ['stuck for 30 s', 60, {}, 30_000, 30_001],
    ['stuck for 59 s', 60, {}, 59_000, 1001],
    ['stuck for a little more than 59 s', 60, {}, 59_500, 501],
    ['stuck for 60 s', 60, {}, 60_000, 1],
  ] as const)('%s', (_name, progressDeadlineSeconds, more, now, inMs) => {
    const verdict = steerRollout(
      { ...round(rollout(more)), settings: { onFailure: 'hold', progressDeadlineSeconds } },
      now,
    )
    expect(verdict).toEqual({ kind: 'go-on', untilMs: inMs === null ? null : now + inMs })
  })

  it.each([
    ['too late already', { progressReason: TOO_LATE }, 30_000],
    ['stuck for 61 s', {}, 61_000],
    ['stuck for 120 s', {}, 120_000],
  ] as const)('%s: not again, but now', (_name, more, now) => {
    const settings = { onFailure: 'hold', progressDeadlineSeconds: 60 } as const
    expect(steerRollout({ ...round(rollout(more)), settings }, now).kind).toBe('hold')
  })

  it('not before what drains or stops has had its time', () => {
    const settings = { onFailure: 'hold', progressDeadlineSeconds: 60 } as const
    const busy = { ...round(rollout({})), settings, busyUntilMs: 90_000 }
    expect(steerRollout(busy, 61_000)).toEqual({ kind: 'go-on', untilMs: 90_001 })
  })
})

it('keeps the cause of a rollback that is given up', () => {
  const settings = { onFailure: 'rollback', progressDeadlineSeconds: 10 } as const
  const verdict = steerRollout(
    { rollout: rollout(BACK), settings, complete: false, firstCause: null, paused: false },
    PAST,
  )
  expect(verdict).toEqual({ kind: 'give-up', failure: cause })
})

it('has no deadline at the largest number of seconds, as Kubernetes has none', () => {
  const settings = { onFailure: 'rollback', progressDeadlineSeconds: NO_DEADLINE } as const
  expect(steerRollout({ ...round(rollout({})), settings }, 10 * 365 * 86_400_000)).toEqual({
    kind: 'go-on',
    untilMs: null,
  })
})
