import { describe, expect, it } from 'vitest'
import { DeployError } from '../../model/failure.ts'
import type { RolloutSpec } from '../../model/rollout.ts'
import { aReplica, aTarget } from '../testing.ts'
import { busyUntilMs, mends } from './round.ts'

const SPEC: RolloutSpec = {
  role: 'web',
  strategy: 'RollingUpdate',
  replicas: 2,
  maxSurge: 1,
  maxUnavailable: 0,
  minReadySeconds: 0,
  replacement: 'TerminationStarted',
  drainSeconds: 20,
  terminationGracePeriodSeconds: 600,
  routed: true,
}
const specs = new Map([[1, [SPEC]]])
const seen = (replicas = [aReplica('web-1-1')], targets = [aTarget('web-1-1')]) => ({
  observed: { atMs: 0, replicas },
  router: { targets, reading: 'bytes' as const, path: 'userland' },
})

describe('busyUntilMs', () => {
  it('is nothing while nothing drains or stops', () => {
    expect(busyUntilMs(seen(), specs)).toBeNull()
  })

  it('is the end of a grace period that is longer than any deadline, and a moment for the kill', () => {
    const stopping = aReplica('web-1-1', { phase: 'Terminating', stopSentAtMs: 1000 })
    expect(busyUntilMs(seen([stopping], []), specs)).toBe(606_000)
  })

  it('is the end of the last drain', () => {
    expect(busyUntilMs(seen([], [aTarget('web-1-1', { state: 'Draining', sinceMs: 5000 })]), specs)).toBe(25_000)
  })
})

describe('mends', () => {
  it.each([
    ['ENGINE_UNREACHABLE', true],
    ['FENCED', true],
    ['LEASE_LOST', true],
    ['DISK_FULL', false],
    ['PORT_TAKEN', false],
  ] as const)('%s: %s', (code, expected) => {
    expect(mends(new DeployError(code, 'x', { hint: 'y' }))).toBe(expected)
  })

  it('does not try a bug again', () => {
    expect(mends(new TypeError('x'))).toBe(false)
  })
})
