import { describe, expect, it } from 'vitest'
import type { Exit, ObservedReplica } from '../../model/observed.ts'
import { aReplica } from '../testing.ts'
import { replicaChanges } from './replica-changes.ts'

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
const changes = (before: Partial<ObservedReplica> | null, after: Partial<ObservedReplica>) =>
  replicaChanges(before === null ? [] : [aReplica('web-1-1', before)], [aReplica('web-1-1', after)]).map(
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
    expect(replicaChanges([aReplica('web-1-1')], [ended])).toMatchObject([{ cut: 2 }])
    expect(replicaChanges([ended], [ended])).toEqual([])
  })
})
