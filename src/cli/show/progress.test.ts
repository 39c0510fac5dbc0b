import { describe, expect, it } from 'vitest'
import type { StatusBody } from '../../api/responses.ts'
import type { Event, Happening } from '../../model/event.ts'
import { eventLine } from '../progress/event-line.ts'
import { historyText } from './history.ts'
import { failureLines } from './failure.ts'
import { PLAIN } from './paint.ts'
import { EMPTY_SCENE, nextScene, sceneLines } from '../progress/scene.ts'
import { statusText } from './status.ts'

const at = (happening: Happening): Event => ({
  app: 'shop',
  environment: 'local',
  id: 1,
  atMs: 1000,
  operation: 'o',
  rollout: 1,
  ...happening,
})
const start = { kind: 'start', replica: 'web-2-1', role: 'web', revision: 2, cause: '1 of 3 missing' } as const
const build = {
  kind: 'build',
  state: 'finished',
  number: 4,
  stage: '',
  step: 2,
  steps: 5,
  instruction: 'COPY a b',
  cached: true,
  tookMs: 1240,
} as const
const role = { role: 'web', replicas: 3, updated: 2, ready: 4, available: 4, old: 2, terminating: 1 }

describe('an event as a line', () => {
  it.each([
    [{ kind: 'station', station: 'build', state: 'started', note: 'Dockerfile' }, null],
    [
      { kind: 'station', station: 'build', state: 'finished', note: 'Dockerfile', tookMs: 1700 },
      'build    Dockerfile (1.7 s)',
    ],
    [{ kind: 'station', station: 'rollout', state: 'started', note: 'to revision 2' }, 'rollout  to revision 2'],
    [{ ...build, state: 'started' }, '  #4 [2/5] COPY a b'],
    [{ ...build, state: 'started', stage: 'deps' }, '  #4 [deps 2/5] COPY a b'],
    [build, '  #4 CACHED'],
    [{ ...build, cached: false }, '  #4 DONE 1.2s'],
    [{ ...build, cached: false, state: 'failed' }, '  #4 ERROR 1.2s'],
    [{ ...build, cached: false, state: 'canceled' }, '  #4 CANCELED 1.2s'],
    [{ kind: 'log', from: 'RUN line 7', line: 'x', step: { number: 4, afterMs: 61_023 } }, '  #4 61.023 x'],
    [{ kind: 'push', digest: `sha256:${'a'.repeat(64)}`, sentBytes: 0, size: 9 }, null],
    [{ kind: 'push', digest: `sha256:${'a'.repeat(64)}`, sentBytes: 9, size: 9 }, '  stored   sha256:aaaaaaaa… (9 B)'],
    [{ kind: 'step', step: start, state: 'done', tookMs: 1, inFlight: null }, '  start    web-2-1: 1 of 3 missing'],
    [
      { kind: 'step', step: { kind: 'wait', cause: 'x', untilMs: null }, state: 'done', tookMs: 1, inFlight: null },
      null,
    ],
    [{ kind: 'replica', replica: 'web-2-1', role: 'web', revision: 2, change: 'ready', cut: 0 }, '  web-2-1 ready'],
    [{ kind: 'log', from: 'web-2-1', line: 'boom' }, '  web-2-1 | boom'],
    [{ kind: 'note', message: `of ${'b'.repeat(40)}` }, 'note: of bbbbbbb'],
  ] as const)('%j is %j', (happening, line) => expect(eventLine(at(happening))).toBe(line))
})

it('shows at the foot of a terminal where a rollout stands, and nothing after its end', () => {
  const events: Happening[] = [
    { kind: 'progress', phase: 'Progressing', to: 2, from: 1, roles: [role], requests: { sent: 1234, lost: 0 } },
    { kind: 'step', step: start, state: 'done', tookMs: 1, inFlight: null },
  ]
  const scene = events.map(at).reduce(nextScene, { ...EMPTY_SCENE, beganMs: 1000 })
  expect(sceneLines(scene, 5200, { width: 80, height: 24 }, PLAIN)).toEqual([
    '⠹ rollout r1 → r2  4.2 s',
    '  web  ━━━━━━━━━━━─────  2 of 3 new   4 available   2 old   1 stopping',
    '  lost 0 of 1,234 requests so far',
    '  start    web-2-1: 1 of 3 missing',
  ])
  expect(sceneLines(scene, 5200, { width: 12, height: 3 }, PLAIN)).toEqual(['⠹ rollout r…'])
  const end = { kind: 'end', revision: 2, endState: 'all-new', exit: 0, digest: null, receipt: null } as const
  expect(sceneLines(nextScene(scene, at(end)), 5200, { width: 80, height: 24 }, PLAIN)).toEqual([])
})

it('tells a failure in one form, whatever its lines', () => {
  expect(failureLines({ code: 'PORT_TAKEN', message: 'a\nb', hint: 'c\nd' })).toEqual([
    'error PORT_TAKEN: a',
    '  b',
    '  c',
    '  d',
  ])
})

it('shows what runs, and what is wrong with it', () => {
  const status: StatusBody = {
    app: 'shop',
    environment: 'local',
    engine: 'embedded',
    router: 'nftables',
    revision: 2,
    commit: `9f2c1ab${'0'.repeat(33)}`,
    subject: 'Faster',
    digest: `sha256:${'a'.repeat(64)}`,
    paused: true,
    rollout: {
      id: 7,
      operation: 'o',
      kind: 'deploy',
      to: 2,
      from: 1,
      phase: 'Paused',
      startedAtMs: 0,
      startedBy: 'kim',
      endedAtMs: null,
      endState: null,
      failure: null,
      supersededBy: null,
    },
    unattended: false,
    preparing: [],
    lastRollout: null,
    back: 1,
    routes: [{ role: 'web', url: 'http://127.0.0.1:8080/' }],
    roles: [role],
    replicas: [
      {
        id: 'web-2-1',
        role: 'web',
        revision: 2,
        phase: 'Pending',
        ready: false,
        restarts: 1,
        startedAtMs: 0,
        pid: 1,
        address: { host: '127.0.0.1', port: 20001 },
        target: 'none',
        inFlight: 0,
        open: 0,
        problem: 'exited with code 3',
      },
    ],
    notes: ['memory is not limited here'],
  }
  expect(statusText(status, 65_000, 200).join('\n')).toMatchInlineSnapshot(`
    "shop (local)  r2   9f2c1ab "Faster"   sha256:aaaaaaaa…   engine embedded, router nftables
    http://127.0.0.1:8080/ → web
    rollout r-7: deploy r1 → r2, Paused, by kim
    paused: go on with naru resume, go back with naru abort

    role  wanted  new  ready  old  stopping
    web   3       2    4      2    1

    replica  phase    ready  traffic  in flight  restarts  address          age
    web-2-1  Pending  no     –        0          1         127.0.0.1:20001  1 min 5 s

    web-2-1: exited with code 3
    note:  memory is not limited here"
  `)
  const ended = { ...status, rollout: null, notes: [], roles: [] }
  const { rollout } = status
  if (rollout === null) throw new Error('no rollout')
  const lastRollout = { ...rollout, kind: 'deploy', phase: 'Done', endedAtMs: 9, endState: 'mixed' } as const
  const replicas = status.replicas.map((replica) => ({ ...replica, problem: 'web-2-1 exited with code 3' }))
  const old = {
    ...replicas[0],
    id: 'web-1-1',
    revision: 1,
    target: 'Active',
    problem: null,
  } as StatusBody['replicas'][0]
  const held = statusText({ ...ended, replicas: [...replicas, old], lastRollout }, 65_000, 200)
  expect(held).toContain('held on the way to r2, r1 serves: go on with naru resume, go back with naru rollback (to r1)')
  // Its message names it already.
  expect(held).toContain('web-2-1 exited with code 3')
  const stopped = { ...lastRollout, kind: 'stop', endState: 'all-new' } as const
  const none = { ...ended, revision: null, paused: false, replicas: [], lastRollout: stopped }
  expect(statusText(none, 0, 200).slice(2)).toEqual([
    'last rollout r-7: stopped',
    'stopped: start r1 again with naru rollback',
  ])
})

it('shows a history with how long each took, from the command on, and what was stopped as stopped', () => {
  const line = {
    id: 3,
    operation: 'o',
    kind: 'stop',
    to: 2,
    from: 2,
    phase: 'Done',
    startedAtMs: 1000,
    startedBy: 'kim',
    endedAtMs: 3700,
    endState: 'all-new',
    failure: null,
    supersededBy: null,
    commit: null,
    subject: null,
    digest: null,
    lost: null,
    sent: null,
    tookMs: 3600,
  } as const
  expect(historyText({ rollouts: [line] })[1]).toMatch(/^r-3 +stop +r2 → r2 +stopped in 3\.6 s +not measured/)
})
