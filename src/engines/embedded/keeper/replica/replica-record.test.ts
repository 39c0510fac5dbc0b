import { describe, expect, it } from 'vitest'
import type { Exit } from '../../../../model/observed.ts'
import { afterExit, newRecord, type ReplicaRecord, type ReplicaState, stateWithoutProcess } from './replica-record.ts'
import { aSpec } from '../testing.ts'

const exitAt = (atMs: number): Exit => ({
  known: true,
  code: 1,
  signal: null,
  atMs,
  outOfMemory: false,
  startFailure: null,
  logTail: [],
  cut: 0,
})
const running = (more: Partial<ReplicaRecord> = {}): ReplicaRecord => ({
  ...newRecord(aSpec(), 0),
  state: 'running',
  ...more,
})

describe('afterExit', () => {
  it('waits 100 ms before the next start, twice as long each time, 30 s at most', () => {
    let record = running()
    const waits: number[] = []
    for (let crash = 0; crash < 11; crash++) {
      record = { ...afterExit({ ...record, state: 'running' }, exitAt(0), true), processStartedAtMs: 0 }
      waits.push(record.restartAtMs ?? -1)
    }
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000])
    expect(record.restarts).toBe(11)
  })

  it('begins anew with a replica that ran for a minute', () => {
    expect(afterExit(running({ failures: 9 }), exitAt(59_999), true).restartAtMs).toBe(59_999 + 30_000)
    expect(afterExit(running({ failures: 9 }), exitAt(60_000), true)).toMatchObject({
      failures: 1,
      restartAtMs: 60_100,
    })
  })

  it('never starts one again that was being stopped', () => {
    const record = afterExit(running({ state: 'stopping', restarts: 2 }), exitAt(5), true)
    expect(record).toMatchObject({ state: 'exited', restarts: 2, restartAtMs: null, process: null })
  })

  it('asks for secrets that are not known', () => {
    expect(afterExit(running(), exitAt(5), false).state).toBe('needs-secrets')
  })
})

it.each<[ReplicaState, boolean, ReplicaState]>([
  ['starting', true, 'backoff'],
  ['starting', false, 'needs-secrets'],
  ['backoff', false, 'needs-secrets'],
  ['needs-secrets', true, 'backoff'],
  ['stopping', true, 'exited'],
  ['exited', true, 'exited'],
])('without a process, %s (can start: %s) becomes %s', (state, canStart, expected) => {
  expect(stateWithoutProcess(state, canStart)).toBe(expected)
})
