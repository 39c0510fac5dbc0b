import { describe, expect, it } from 'vitest'
import type { Role } from '../model/app.ts'
import type { Exit, ObservedReplica, ProbeResult } from '../model/observed.ts'
import { diagnose, diagnosisDueMs } from './diagnose.ts'
import { aReplica } from './testing.ts'

const START = 10_000
const role: Role = {
  name: 'web',
  run: null,
  port: 8080,
  replicas: 3,
  env: {},
  resources: { cpuRequestMilli: null, cpuLimitMilli: null, memoryRequestBytes: null, memoryLimitBytes: 67_108_864 },
  readiness: { kind: 'http', path: '/healthz', port: null, host: null, expect: null },
  startupSeconds: 60,
  terminationGracePeriodSeconds: 30,
}

/** A replica that was just started, told to listen on 20002. */
const fresh = (more: Partial<ObservedReplica> = {}): ObservedReplica =>
  aReplica('web-7-2', { phase: 'Pending', ready: false, readySinceMs: null, startedAtMs: START, ...more })

const exit = (more: Partial<Exit> = {}): Exit => ({
  known: true,
  code: 1,
  signal: null,
  atMs: START + 50,
  outOfMemory: false,
  startFailure: null,
  logTail: ['loading', 'Error: no DB_URL'],
  cut: 0,
  ...more,
})

type Failed = Extract<ProbeResult, { ok: false }>
const probe = (reason: Failed['reason'], status: number | null = null, more: Partial<Failed> = {}): ProbeResult => ({
  ok: false,
  atMs: START + 400,
  reason,
  message: status === null ? reason : `answered ${status}`,
  status,
  ...more,
})

const at = (replica: ObservedReplica, afterMs: number) => diagnose(replica, role, { startRetries: 1 }, START + afterMs)

describe('exits', () => {
  it.each<[string, ObservedReplica, string | null, string]>([
    [
      'program missing',
      fresh({ lastExit: exit({ startFailure: 'program-not-found' }) }),
      'REPLICA_PROGRAM_NOT_FOUND',
      'is not in the image',
    ],
    [
      'wrong architecture',
      fresh({ lastExit: exit({ startFailure: 'wrong-architecture' }) }),
      'REPLICA_WRONG_ARCHITECTURE',
      'built for another processor',
    ],
    [
      'not executable',
      fresh({ lastExit: exit({ startFailure: 'not-executable' }) }),
      'REPLICA_START_FAILED',
      'is not executable',
    ],
    [
      'cannot be started for another reason',
      fresh({ lastExit: exit({ startFailure: 'other' }) }),
      'REPLICA_START_FAILED',
      'could not start: Error: no DB_URL',
    ],
    ['out of memory', fresh({ lastExit: exit({ outOfMemory: true }) }), 'REPLICA_OUT_OF_MEMORY', 'its limit is 64 MiB'],
    ['first exit, may be tried again', fresh({ restarts: 1, lastExit: exit() }), null, ''],
    [
      'second exit',
      fresh({ restarts: 2, lastExit: exit() }),
      'REPLICA_CRASHED',
      'exited with code 1, 2 times: Error: no DB_URL',
    ],
    [
      'second exit although it is ready in between',
      aReplica('web-7-2', { restarts: 2, lastExit: exit() }),
      'REPLICA_CRASHED',
      'exited with code 1, 2 times',
    ],
    [
      'ended by a signal',
      fresh({ restarts: 2, lastExit: exit({ code: null, signal: 'SIGSEGV', logTail: [] }) }),
      'REPLICA_CRASHED',
      'was ended by SIGSEGV, 2 times',
    ],
    [
      'not to be started again',
      fresh({ phase: 'Exited', restarts: 0, lastExit: exit() }),
      'REPLICA_CRASHED',
      'exited with code 1: Error',
    ],
    [
      'gone with its parent, which is not its fault',
      fresh({ phase: 'Exited', lastExit: exit({ known: false, code: null }) }),
      null,
      '',
    ],
    [
      'ended unknown too often',
      fresh({ restarts: 2, lastExit: exit({ known: false, code: null, logTail: [] }) }),
      'REPLICA_CRASHED',
      'its exit code is not known, 2 times',
    ],
    [
      'F8: exits after it was ready',
      aReplica('web-7-2', { ready: false, restarts: 1, lastExit: exit() }),
      'REPLICA_CRASHED',
      'after it had been ready',
    ],
    [
      'F8: refused since then',
      aReplica('web-7-2', { ready: false, restarts: 1, lastExit: exit(), lastProbe: probe('refused') }),
      'REPLICA_CRASHED',
      'after it had been ready',
    ],
    ['is ready again after an exit at its start', aReplica('web-7-2', { restarts: 1, lastExit: exit() }), null, ''],
    ['was told to stop', fresh({ stopSentAtMs: 1, restarts: 5, lastExit: exit() }), null, ''],
    ['is being stopped', fresh({ phase: 'Terminating', restarts: 5, lastExit: exit() }), null, ''],
  ])('%s', (_name, replica, code, message) => {
    const cause = at(replica, 100)
    expect(cause?.code ?? null).toBe(code)
    expect(cause?.message ?? '').toContain(message)
  })

  it('tells the last log lines, the exit code, and the command that shows more', () => {
    expect(at(fresh({ restarts: 2, lastExit: exit({ code: 3 }) }), 100)).toMatchObject({
      hint: 'See why with: naru logs --role web --revision 7.',
      detail: { log: 'loading\nError: no DB_URL', exitCode: 3, replica: 'web-7-2', revision: 7 },
    })
  })
})

describe('probes', () => {
  const refused = probe('refused')
  it.each<[string, ObservedReplica, number, string | null, string]>([
    ['nothing was asked yet', fresh(), 1000, null, ''],
    ['just refused', fresh({ lastProbe: refused, listens: [] }), 1000, null, ''],
    [
      'listens on the port of the role',
      fresh({ lastProbe: refused, listens: [8080] }),
      500,
      'REPLICA_WRONG_PORT',
      'listens on 8080, was told 20002',
    ],
    ['for less than 500 ms', fresh({ lastProbe: refused, listens: [8080] }), 499, null, ''],
    ['listens on a debug port only', fresh({ lastProbe: refused, listens: [5005] }), 9999, null, ''],
    [
      'for 10 s',
      fresh({ lastProbe: refused, listens: [5005] }),
      10_000,
      'REPLICA_WRONG_PORT',
      'listens on 5005, was told',
    ],
    ['listens on the right one as well', fresh({ lastProbe: refused, listens: [8080, 20_002] }), 30_000, null, ''],
    ['does not say where it listens', fresh({ lastProbe: refused }), 30_000, null, ''],
    [
      'listens nowhere in time',
      fresh({ lastProbe: refused, listens: [] }),
      60_001,
      'REPLICA_NOT_LISTENING',
      'port 20002 after 60 s',
    ],
    ['exactly in time', fresh({ lastProbe: refused, listens: [] }), 60_000, null, ''],
    [
      'a refusal from before its start',
      fresh({ lastProbe: probe('refused', null, { atMs: START - 1 }), listens: [8080] }),
      5000,
      null,
      '',
    ],
    ['500 once', fresh({ lastProbe: probe('status', 500, { sinceMs: START + 400 }) }), 899, null, ''],
    [
      '500 for 500 ms',
      fresh({ lastProbe: probe('status', 500, { sinceMs: START + 400 }) }),
      900,
      'REPLICA_PROBE_FAILED',
      'is not ready: answered 500',
    ],
    ['500, since when is not known', fresh({ lastProbe: probe('status', 500) }), 500, 'REPLICA_PROBE_FAILED', '500'],
    ['403', fresh({ lastProbe: probe('status', 403) }), 500, 'REPLICA_PROBE_FAILED', 'answered 403'],
    ['a redirect', fresh({ lastProbe: probe('redirect', 301) }), 500, 'REPLICA_PROBE_FAILED', 'answered 301'],
    ['503 may be warming up', fresh({ lastProbe: probe('status', 503) }), 60_000, null, ''],
    ['503 to the end', fresh({ lastProbe: probe('status', 503) }), 60_001, 'REPLICA_PROBE_FAILED', 'answered 503'],
    ['a command that fails', fresh({ lastProbe: probe('exit') }), 60_000, null, ''],
    [
      'a command that fails to the end',
      fresh({ lastProbe: probe('exit') }),
      60_001,
      'REPLICA_PROBE_FAILED',
      'after 60 s',
    ],
    ['answers too late to the end', fresh({ lastProbe: probe('timeout') }), 60_001, 'REPLICA_NEVER_READY', 'in 60 s'],
    ['never asked to the end', fresh(), 60_001, 'REPLICA_NEVER_READY', 'did not become ready in 60 s'],
    [
      'F7: was ready, answers 500',
      aReplica('web-7-2', { ready: false, lastProbe: probe('status', 500) }),
      0,
      'REPLICA_BECAME_UNREADY',
      '',
    ],
    [
      'F7: also after an exit at its start',
      aReplica('web-7-2', { ready: false, restarts: 1, lastExit: exit(), lastProbe: probe('status', 500) }),
      START,
      'REPLICA_BECAME_UNREADY',
      'was ready and is not any more: answered 500',
    ],
    [
      'lost with its parent, and not asked since',
      aReplica('web-7-2', { ready: false, restarts: 1, lastExit: exit({ known: false }) }),
      0,
      null,
      '',
    ],
    ['is ready', aReplica('web-7-2', { lastProbe: { ok: true, atMs: START } }), 90_000, null, ''],
  ])('%s', (_name, replica, afterMs, code, message) => {
    const cause = at(replica, afterMs)
    expect(cause?.code ?? null).toBe(code)
    expect(cause?.message ?? '').toContain(message)
  })

  it.each([
    ['redirect', 301, 'health.readiness.path'],
    ['status', 421, 'Host header'],
    ['status', 403, 'needs no login'],
    ['status', 500, 'naru logs --role web --revision 7'],
  ] as const)('a %s with %i has a hint of its own', (reason, status, hint) => {
    expect(at(fresh({ lastProbe: probe(reason, status) }), 500)?.hint).toContain(hint)
  })

  it('asks at the port of the readiness check where it has one', () => {
    const own: Role = { ...role, readiness: { kind: 'tcp', port: 9000 } }
    const replica = fresh({ lastProbe: refused, listens: [8080, 9000] })
    expect(diagnose(replica, own, { startRetries: 1 }, START + 9000)).toBeNull()
  })

  it('has a hint for a path that the app does not have', () => {
    expect(at(fresh({ lastProbe: probe('status', 404) }), 60_001)?.hint).toContain('a path that the app has')
  })

  it('does not wait for another port longer than for the start', () => {
    const quick: Role = { ...role, startupSeconds: 2 }
    const replica = fresh({ lastProbe: refused, listens: [5005] })
    expect(diagnose(replica, quick, { startRetries: 1 }, START + 2000)?.code).toBe('REPLICA_WRONG_PORT')
  })
})

describe('when to look again', () => {
  it.each<[string, ObservedReplica, number, number | null]>([
    ['after the start', fresh(), 0, 500],
    ['then for other ports', fresh(), 500, 10_000],
    ['then at the end of health.startup', fresh(), 10_000, 60_001],
    ['then never', fresh(), 60_001, null],
    ['for an answer that must hold', fresh({ lastProbe: probe('status', 500, { sinceMs: START + 400 }) }), 600, 900],
    ['not for one that is ready', aReplica('web-7-1'), 0, null],
    ['not for one that stops', fresh({ stopSentAtMs: 1 }), 0, null],
    ['not for one that was ready', aReplica('web-7-1', { ready: false }), 0, null],
  ])('%s', (_name, replica, afterMs, dueMs) => {
    expect(diagnosisDueMs(replica, role, START + afterMs)).toBe(dueMs === null ? null : START + dueMs)
  })
})
