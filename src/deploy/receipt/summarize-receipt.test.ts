import { describe, expect, it } from 'vitest'
import type { Happening } from '../../model/event.ts'
import { aRollout } from '../../model/testing.ts'
import { anApp, aRelease, eventsOf } from '../testing.ts'
import { type ReceiptFacts, summarizeReceipt } from './summarize-receipt.ts'

const available = (web: number, worker = 9): Happening => ({
  kind: 'progress',
  phase: 'Progressing',
  requests: null,
  to: 2,
  from: 1,
  roles: [
    { role: 'web', replicas: 3, updated: 0, ready: 3, available: web, old: 3, terminating: 0 },
    { role: 'worker', replicas: 1, updated: 0, ready: 1, available: worker, old: 1, terminating: 0 },
  ],
})
const stopped = (inFlight: number): Happening => ({
  kind: 'step',
  step: { kind: 'stop', replica: 'web-1-1', role: 'web', revision: 1, graceSeconds: 5, cause: 'replaced' },
  state: 'done',
  tookMs: 3,
  inFlight,
})
const exited = (cut: number): Happening => ({
  kind: 'replica',
  replica: 'web-1-1',
  role: 'web',
  revision: 1,
  change: 'exited with code 0',
  cut,
})

const facts = (events: readonly Happening[], more: Partial<ReceiptFacts> = {}): ReceiptFacts => ({
  rollout: aRollout(),
  to: aRelease(2),
  from: aRelease(1),
  events: eventsOf(...events),
  requests: { kind: 'not-measured', why: 'no route' },
  endState: 'all-new',
  endedAtMs: 5000,
  failure: null,
  notes: ['memory is not limited here'],
  runs: [],
  held: false,
  back: 1,
  ...more,
})

const WEB = { role: 'web', replicas: 2, updated: 0, ready: 2, available: 2, old: 2, terminating: 0 }
const ROUND = { kind: 'progress', phase: 'Progressing', requests: null, to: 2, from: 1, roles: [WEB] } as const

describe('summarizeReceipt', () => {
  it('counts the fewest available over routed roles, what was in flight, and what was cut', () => {
    const receipt = summarizeReceipt(
      facts([available(3), available(2, 0), stopped(4), exited(1), stopped(1), exited(0)]),
    )
    expect(receipt).toMatchObject({ fewestAvailable: 2, replicas: 3, inFlightAtStop: 5, cut: 1 })
  })

  it('says that nothing ran before, where that is so: also after a stop', () => {
    const counts = { role: 'web', replicas: 3, old: 0, terminating: 0 }
    const of = (updated: number): Happening => ({
      kind: 'progress',
      phase: 'Progressing',
      requests: null,
      to: 2,
      from: 1,
      roles: [{ ...counts, updated, ready: updated, available: updated }],
    })
    const [first, later] = [of(0), of(2)]
    expect(summarizeReceipt(facts([first, later]))).toMatchObject({ fewestAvailable: null, replicas: 3 })
    // A newer deploy took over while it was under way.
    expect(summarizeReceipt(facts([later]))).toMatchObject({ fewestAvailable: 2, replicas: 3 })
    expect(summarizeReceipt(facts([]))).toMatchObject({ fewestAvailable: 0, replicas: 0 })
  })

  it('counts all roles where no route names one', () => {
    const to = aRelease(2, anApp({ routes: [] }))
    expect(summarizeReceipt(facts([available(3, 1)], { to }))).toMatchObject({ fewestAvailable: 4, replicas: 4 })
  })

  it('compares with what was wanted before, and tells the roles of which another number is wanted now', () => {
    const before = { replicas: 2, replicasBefore: 4, resized: [{ role: 'web', from: 4, to: 2 }] }
    const to = (replicas: number): Happening => ({ ...ROUND, roles: [{ ...WEB, replicas, updated: 0, available: 2 }] })
    expect(summarizeReceipt(facts([to(2)], { rollout: aRollout({ scaleBefore: { web: 4 } }) }))).toMatchObject(before)
    const scale = aRollout({ kind: 'scale', to: 2, from: 1, scaleBefore: {} })
    expect(summarizeReceipt(facts([to(5)], { rollout: scale }))).toMatchObject({
      replicasBefore: 2,
      resized: [{ role: 'web', from: 2, to: 5 }],
    })
    // What went back has the numbers from before again.
    const back = aRollout({ phase: 'RollingBack', scaleBefore: { web: 3 } })
    expect(summarizeReceipt(facts([to(2), to(3)], { rollout: back }))).toMatchObject({ replicasBefore: 3, resized: [] })
  })

  it('tells each step once, and a station that a failure ended', () => {
    const step = { kind: 'prepare', revision: 2, cause: 'before anything is touched' } as const
    const { timeline } = summarizeReceipt(
      facts([
        { kind: 'station', station: 'prepare', state: 'started', note: 'revision 2' },
        { kind: 'step', step, state: 'done', tookMs: 3, inFlight: null },
        { kind: 'station', station: 'prepare', state: 'finished', note: 'revision 2', tookMs: 3 },
        { kind: 'station', station: 'migrate', state: 'started', note: './migrate' },
        { kind: 'log', from: 'migrate', line: 'no' },
        { kind: 'failure', failure: { code: 'MIGRATE_FAILED', message: 'it failed', hint: '', detail: {} } },
      ]),
    )
    expect(timeline.map(({ step, cause, tookMs }) => [step, cause, tookMs])).toEqual([
      ['prepare', 'revision 2', 3],
      ['migrate', './migrate', 200],
      ['failure', 'it failed', null],
    ])
  })

  it('takes from the first event of the operation to its end', () => {
    expect(summarizeReceipt(facts([available(3)]))).toMatchObject({ startedAtMs: 1000, tookMs: 4000 })
  })

  it('tells steps with their causes, replicas and failures in the timeline', () => {
    const failure = { code: 'REPLICA_CRASHED', message: 'it crashed', hint: '', detail: {} } as const
    const { timeline } = summarizeReceipt(facts([stopped(0), exited(0), { kind: 'failure', failure }]))
    expect(timeline.map(({ step, cause, tookMs }) => [step, cause, tookMs])).toEqual([
      ['stop web-1-1', 'replaced', 3],
      ['web-1-1', 'exited with code 0', null],
      ['failure', 'it crashed', null],
    ])
  })

  it.each([
    ['none', null, false, undefined],
    ['done', { run: ['./m'], timeoutSeconds: 1 }, true, undefined],
    ['failed', { run: ['./m'], timeoutSeconds: 1 }, false, 'MIGRATE_FAILED'],
    ['not-run', { run: ['./m'], timeoutSeconds: 1 }, false, 'PORT_TAKEN'],
  ] as const)('says of migrate: %s', (expected, migrate, migrated, code) => {
    const failure = code === undefined ? null : { code, message: '', hint: '', detail: {} }
    const more = { rollout: aRollout({ migrated }), to: aRelease(2, anApp({ migrate })), failure }
    expect(summarizeReceipt(facts([], more)).migrate).toBe(expected)
  })

  it('notes first who had to be killed, and what to do about it', () => {
    const killed = { ...exited(1), overstayedSeconds: 5 } as Happening
    const [note] = summarizeReceipt(facts([killed])).notes
    expect(note).toMatch(/^web-1-1 did not end within 5 s .*SIGTERM.*terminationGracePeriodSeconds$/)
    expect(summarizeReceipt(facts([killed, killed])).notes[0]).toMatch(/^2 replicas \(web-1-1 the first\) did not/)
  })

  it('names the secrets whose version differs, and the way back', () => {
    const from = aRelease(1, anApp(), { secrets: { A: 1, B: 1, GONE: 1 } })
    const to = aRelease(2, anApp(), { secrets: { A: 1, B: 2, NEW: 1 } })
    const receipt = summarizeReceipt(facts([], { from, to }))
    expect(receipt.secretsChanged).toEqual(['B', 'GONE', 'NEW'])
    expect(receipt.back).toEqual({ command: 'naru rollback', revision: 1 })
  })

  it('says where naru.yaml was read when the commit has none', () => {
    const source = { url: null, commit: 'c', ref: null, subject: null, file: 'front' } as const
    const { notes } = summarizeReceipt(facts([], { to: aRelease(2, anApp(), { source }) }))
    expect(notes).toHaveLength(2)
  })
})
