import { describe, expect, it } from 'vitest'
import type { Exit, ObservedReplica } from '../../model/observed.ts'
import { aReplica } from '../testing.ts'
import { nextSlowStopMs, replicaChanges } from './replica-changes.ts'

const exit = (more: Partial<Exit>): Exit => ({
  known: true,
  code: 0,
  signal: null,
  atMs: 1,
  outOfMemory: false,
  startFailure: null,
  logTail: [],
  cut: 0,
  ...more,
})
const GRACE = 5
/** Snapshots at 1000 ms and, where nothing else is said, 2000 ms; a grace period of five seconds. */
const between = (before: ObservedReplica[], after: ObservedReplica[], afterMs = 2000) =>
  replicaChanges({ atMs: 1000, replicas: before }, { atMs: afterMs, replicas: after }, () => GRACE)
const changes = (before: Partial<ObservedReplica> | null, after: Partial<ObservedReplica>) =>
  between(before === null ? [] : [aReplica('web-1-1', before)], [aReplica('web-1-1', after)]).map(
    ({ change }) => change,
  )

describe('replicaChanges', () => {
  it.each<[string, Partial<ObservedReplica> | null, Partial<ObservedReplica>, string[]]>([
    ['nothing changed', {}, {}, []],
    ['a new one that is ready', null, {}, ['ready']],
    ['a new one that is not ready yet', null, { ready: false, phase: 'Pending' }, []],
    ['it became ready', { ready: false }, {}, ['ready']],
    ['it is not ready any more', {}, { ready: false }, ['no longer ready']],
    ['it stops: that it is not ready is no news', {}, { ready: false, phase: 'Terminating' }, []],
    ['it crashed and was started again', {}, { restarts: 1, lastExit: exit({ code: 3 }) }, ['exited with code 3']],
    [
      'it ended by a signal',
      {},
      { phase: 'Exited', lastExit: exit({ code: null, signal: 'SIGKILL' }) },
      ['exited by SIGKILL'],
    ],
    ['it had no memory', {}, { phase: 'Exited', lastExit: exit({ outOfMemory: true }) }, ['killed: out of memory']],
    ['nobody saw it end', {}, { phase: 'Exited', lastExit: exit({ known: false }) }, ['exited, the code is unknown']],
  ])('%s', (_name, before, after, expected) => {
    expect(changes(before, after)).toEqual(expected)
  })

  it('tells what was cut once, with the end', () => {
    const ended = aReplica('web-1-1', { phase: 'Exited', lastExit: exit({ signal: 'SIGKILL', code: null, cut: 2 }) })
    expect(between([aReplica('web-1-1')], [ended])).toMatchObject([{ cut: 2 }])
    expect(between([ended], [ended])).toEqual([])
  })

  it('says that a replica which did not end in its grace period was killed, and what that was', () => {
    const killed = (atMs: number) =>
      aReplica('web-1-1', {
        phase: 'Exited',
        stopSentAtMs: 1000,
        lastExit: exit({ code: null, signal: 'SIGKILL', cut: 1, atMs }),
      })
    expect(between([aReplica('web-1-1')], [killed(6010)])).toMatchObject([
      { change: 'did not end within 5 s of the stop signal: killed', cut: 1, overstayedSeconds: 5 },
    ])
    // Somebody else killed it.
    const [other] = between([aReplica('web-1-1')], [killed(3000)])
    expect(other).toMatchObject({ change: 'exited by SIGKILL' })
    expect(other).not.toHaveProperty('overstayedSeconds')
  })

  it('tells once that a stop takes long, and when to look for it', () => {
    const stopping = [aReplica('web-1-1', { phase: 'Terminating', ready: false, stopSentAtMs: 500 })]
    expect(nextSlowStopMs({ atMs: 1000, replicas: stopping })).toBe(2500)
    expect(between(stopping, stopping, 2499)).toEqual([])
    expect(between(stopping, stopping, 2500)).toMatchObject([
      { change: 'still runs 2 s after the stop signal: it is killed after 5 s', cut: 0 },
    ])
    expect(nextSlowStopMs({ atMs: 2500, replicas: stopping })).toBeNull()
    expect(nextSlowStopMs({ atMs: 1000, replicas: [aReplica('web-1-1')] })).toBeNull()
  })
})
