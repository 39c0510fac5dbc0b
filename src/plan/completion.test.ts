import { describe, expect, it } from 'vitest'
import type { PodReplacementPolicy } from '../model/engine-traits.ts'
import type { RoleProgress } from '../model/event.ts'
import { ARRIVED, isComplete, isProgressing, isTimedOut, TOO_LATE } from './completion.ts'

const NO_DEADLINE = 2_147_483_647

/** Upstream's numbers: wanted; in all, updated, ready, available. */
const counts = (replicas: number, all: number, updated: number, ready: number, available: number): RoleProgress => ({
  role: 'web',
  replicas,
  updated,
  ready,
  available,
  old: all - updated,
  terminating: 0,
})

describe('complete (2.10)', () => {
  it.each([
    [5, 5, 5, 4, false, 'the minimum is there, not all'],
    [5, 5, 5, 3, false, 'below the minimum'],
    [5, 5, 5, 5, true, 'all are there'],
    [5, 5, 4, 5, false, 'not all updated'],
    [1, 2, 1, 1, false, 'an old one still runs'],
    [1, 1, 1, 0, false, 'the only replica never came up'],
    [5, 6, 6, 6, false, 'one too many'],
  ])('%i wanted, %i in all, %i updated, %i available: %s (%s)', (replicas, all, updated, available, complete) => {
    expect(isComplete(counts(replicas, all, updated, available, available), 'TerminationStarted', true)).toBe(complete)
  })

  it.each<[string, PodReplacementPolicy, number, boolean, boolean]>([
    ['no, while the sizes are newer than the observation', 'TerminationStarted', 0, false, false],
    ['yes, with one terminating under TerminationStarted', 'TerminationStarted', 1, true, true],
    ['no, with one terminating under TerminationComplete', 'TerminationComplete', 1, true, false],
    ['yes, with none terminating under TerminationComplete', 'TerminationComplete', 0, true, true],
  ])('%s', (_name, policy, terminating, settled, complete) => {
    expect(isComplete({ ...counts(3, 3, 3, 3, 3), terminating }, policy, settled)).toBe(complete)
  })
})

describe('progressing (2.11)', () => {
  it.each<[number[], number[], boolean, string]>([
    [[10, 4, 4, 4], [10, 6, 4, 4], true, 'more updated'],
    [[10, 4, 4, 4], [10, 4, 4, 4], false, 'nothing changed'],
    [[10, 4, 6, 6], [8, 4, 6, 6], true, 'old ones removed'],
    [[10, 7, 3, 3], [10, 6, 3, 3], false, 'fewer new ones'],
    [[10, 4, 7, 7], [8, 8, 5, 5], true, 'fewer in all, more new ones'],
    [[10, 10, 9, 8], [10, 10, 10, 8], true, 'more ready'],
    [[10, 10, 10, 9], [10, 10, 10, 10], true, 'more available'],
  ])('%j to %j: %s (%s)', (before, after, progressing) => {
    const of = ([all = 0, updated = 0, ready = 0, available = 0]: number[]) =>
      counts(10, all, updated, ready, available)
    expect(isProgressing(of(before), of(after), 'TerminationStarted')).toBe(progressing)
  })

  it.each([
    ['TerminationComplete', 2, 1, true],
    ['TerminationComplete', 1, 1, false],
    ['TerminationStarted', 2, 1, false],
  ] as const)('under %s, from %i to %i terminating: %s', (policy, before, after, progressing) => {
    const still = counts(3, 3, 1, 3, 3)
    expect(isProgressing({ ...still, terminating: before }, { ...still, terminating: after }, policy)).toBe(progressing)
  })
})

describe('timed out (2.12)', () => {
  const now = 1_000_000
  it.each([
    ['no deadline', null, 'ReplicaSetUpdated', 11_000, false],
    ['the largest number is no deadline', NO_DEADLINE, 'ReplicaSetUpdated', 11_000, false],
    ['11 s ago', 10, 'ReplicaSetUpdated', 11_000, true],
    ['9 s ago', 10, 'ReplicaSetUpdated', 9000, false],
    ['exactly 10 s ago: strict', 10, 'ReplicaSetUpdated', 10_000, false],
    ['arrived long ago', 10, ARRIVED, 900_000, false],
    ['found too late before, whatever the time', 10, TOO_LATE, 0, true],
  ])('%s', (_name, deadline, reason, agoMs, timedOut) => {
    expect(isTimedOut(deadline, { reason, updatedAtMs: now - agoMs }, now)).toBe(timedOut)
  })

  it('nothing has begun', () => {
    expect(isTimedOut(10, null, now)).toBe(false)
  })
})
