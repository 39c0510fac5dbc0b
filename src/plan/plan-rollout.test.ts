import { describe, expect, it } from 'vitest'
import type { ObservedReplica, ObservedTarget } from '../model/observed.ts'
import type { ReplicaSet, RolloutSpec } from '../model/rollout.ts'
import { planRollout, type RolloutInput } from './plan-rollout.ts'
import { renderPlan } from './render-plan.ts'
import { simulate } from './simulate.ts'
import { aReplica, aRouter, aSet, aSpec, aTarget, show } from './testing.ts'

const NOW = 100_000

interface State {
  readonly spec?: Partial<RolloutSpec>
  readonly revision?: number | null
  readonly paused?: boolean
  readonly sets?: readonly ReplicaSet[]
  readonly replicas?: readonly ObservedReplica[]
  readonly targets?: readonly ObservedTarget[]
}

const input = ({
  spec = {},
  revision = 2,
  paused = false,
  sets = [],
  replicas = [],
  targets,
}: State): RolloutInput => ({
  specs: new Map([
    [1, [aSpec(spec)]],
    [2, [aSpec(spec)]],
  ]),
  desired: { revision, paused, sets },
  observed: { atMs: NOW, replicas },
  router: aRouter(targets ?? replicas.filter(({ ready }) => ready).map(({ id }) => aTarget(id))),
})

const planned = (state: State) => planRollout(input(state), NOW)
const steps = (state: State): string => planned(state).steps.map(show).join(', ')
const three = [1, 2, 3].map((ordinal) => aReplica(`web-1-${ordinal}`))
const ended = (id: string, more: Partial<ObservedReplica> = {}) =>
  aReplica(id, { phase: 'Exited', ready: false, readySinceMs: null, ...more })
const RECREATE: State = { spec: { strategy: 'Recreate', maxSurge: 0 }, sets: [aSet(1, 3)], replicas: three }
const exitAt = (atMs: number) => ({
  known: true,
  code: 1,
  signal: null,
  atMs,
  outOfMemory: false,
  startFailure: null,
  logTail: [],
  cut: 0,
})

describe('a rollout to its end', () => {
  it('starts, admits, and only then drains and stops', () => {
    expect(renderPlan(simulate(input({ sets: [aSet(1, 3)], replicas: three, spec: { replicas: 2 } }), NOW))).toBe(
      [
        'drain web-1-3 (replaced by revision 2)',
        'stop web-1-3 (replaced by revision 2)',
        'start web-2-1 (1 of 1 of revision 2 missing)',
        'admit web-2-1 (it is ready)',
        'remove web-1-3 (it has stopped)',
        'drain web-1-2 (replaced by revision 2)',
        'stop web-1-2 (replaced by revision 2)',
        'start web-2-2 (1 of 2 of revision 2 missing)',
        'admit web-2-2 (it is ready)',
        'remove web-1-2 (it has stopped)',
        'drain web-1-1 (replaced by revision 2)',
        'stop web-1-1 (replaced by revision 2)',
        'remove web-1-1 (it has stopped)',
        'fewest available 2 of 2',
      ].join('\n'),
    )
  })

  it('says that there is nothing to do', () => {
    const done = input({ revision: 1, sets: [aSet(1, 3)], replicas: three })
    expect(planRollout(done, NOW)).toMatchObject({ steps: [], complete: true, waitUntilMs: null })
    expect(renderPlan(simulate(done, NOW))).toBe('nothing to do')
  })

  it.each<[string, Partial<RolloutSpec>, number]>([
    ['never fewer than all with a surge', {}, 3],
    ['one fewer without a surge', { maxSurge: 0, maxUnavailable: 1 }, 2],
    ['none under Recreate', { strategy: 'Recreate', maxSurge: 0 }, 0],
    ['never fewer with minReadySeconds', { minReadySeconds: 5 }, 3],
    ['never fewer under TerminationComplete', { replacement: 'TerminationComplete' }, 3],
  ])('has available on the way: %s', (_name, spec, fewest) => {
    const simulation = simulate(input({ spec, sets: [aSet(1, 3)], replicas: three }), NOW)
    expect(simulation).toMatchObject({ fewestAvailable: fewest, replicas: 3, complete: true })
    expect(simulation.rounds.every(({ total }) => total <= 4)).toBe(true)
  })

  it('says so when it stops half way because it is paused', () => {
    const paused = input({
      paused: true,
      sets: [aSet(1, 3)],
      replicas: [...three.slice(1), ended('web-1-1', { stopSentAtMs: 1 })],
    })
    expect(renderPlan(simulate(paused, NOW))).toContain('it stops half way')
  })
})

describe('replicas', () => {
  const two = aSet(2, 3)
  it.each<[string, State, string]>([
    ['first deploy', {}, 'start web-2-1, start web-2-2, start web-2-3'],
    [
      'the smallest free ordinal',
      { sets: [two], replicas: [aReplica('web-2-1'), aReplica('web-2-3')] },
      'start web-2-2',
    ],
    [
      'an ordinal is not free while the router knows it',
      {
        sets: [two],
        replicas: [aReplica('web-2-1'), aReplica('web-2-3')],
        targets: [1, 2, 3].map((n) => aTarget(`web-2-${n}`)),
      },
      'remove web-2-2, start web-2-4',
    ],
    [
      'admits what is ready',
      { sets: [two], replicas: three2(), targets: [aTarget('web-2-1'), aTarget('web-2-2')] },
      'admit web-2-3',
    ],
    [
      'admits again what went down by itself',
      {
        sets: [two],
        replicas: three2(),
        targets: [aTarget('web-2-1'), aTarget('web-2-2'), aTarget('web-2-3', { state: 'Down' })],
      },
      'admit web-2-3',
    ],
    [
      'never admits what is not ready',
      { sets: [two], replicas: three2({ ready: false }), targets: [aTarget('web-2-1'), aTarget('web-2-2')] },
      'wait',
    ],
    [
      'never admits what has no address',
      { sets: [two], replicas: three2({ address: null }), targets: [aTarget('web-2-1'), aTarget('web-2-2')] },
      'wait',
    ],
    [
      'admits nothing of a role without a route',
      { spec: { routed: false }, sets: [two], replicas: three2(), targets: [] },
      '',
    ],
    [
      'takes out of the router what is not ready any more',
      { sets: [two], replicas: three2({ ready: false }), targets: [1, 2, 3].map((n) => aTarget(`web-2-${n}`)) },
      'drain web-2-3',
    ],
    [
      'but not the last one that serves',
      {
        spec: { replicas: 1 },
        sets: [aSet(2, 1)],
        replicas: [aReplica('web-2-1', { ready: false })],
        targets: [aTarget('web-2-1')],
      },
      'wait',
    ],
    [
      'and not where the other one that serves is about to go',
      {
        spec: { replicas: 1, maxUnavailable: 1, drainSeconds: 30 },
        sets: [aSet(1, 0), aSet(2, 1)],
        replicas: [aReplica('web-1-1'), aReplica('web-2-1', { ready: false })],
        targets: [aTarget('web-1-1'), aTarget('web-2-1')],
      },
      'drain web-1-1',
    ],
    [
      'brings it back when it is ready again',
      {
        sets: [two],
        replicas: three2(),
        targets: [aTarget('web-2-1'), aTarget('web-2-2'), aTarget('web-2-3', { state: 'Draining' })],
      },
      'admit web-2-3',
    ],
    [
      'leaves it alone while it is not',
      {
        sets: [two],
        replicas: three2({ ready: false }),
        targets: [aTarget('web-2-1'), aTarget('web-2-2'), aTarget('web-2-3', { state: 'Draining' })],
      },
      'wait',
    ],
    [
      'stops at once what the router does not know',
      {
        sets: [aSet(2, 2)],
        spec: { replicas: 2 },
        replicas: three2({ ready: false }),
        targets: [aTarget('web-2-1'), aTarget('web-2-2')],
      },
      'stop web-2-3',
    ],
    [
      'removes what has stopped',
      { sets: [two], replicas: [...three2(), ended('web-1-1', { stopSentAtMs: 1 })] },
      'remove web-1-1',
    ],
    [
      'starts what its sets want under TerminationComplete, also beyond the limit',
      {
        paused: true,
        spec: { replacement: 'TerminationComplete', maxSurge: 0, maxUnavailable: 1 },
        sets: [aSet(1, 2), aSet(2, 2)],
        replicas: [aReplica('web-1-1'), aReplica('web-1-2'), aReplica('web-2-1')],
      },
      'start web-2-2',
    ],
    [
      'gives the only free place to the newest',
      {
        paused: true,
        spec: { replacement: 'TerminationComplete' },
        sets: [aSet(1, 2), aSet(2, 2)],
        replicas: [
          aReplica('web-1-1'),
          aReplica('web-1-2', { phase: 'Terminating', ready: false }),
          aReplica('web-2-1'),
        ],
      },
      'start web-2-2',
    ],
    [
      'removes at once what has just stopped as told',
      { sets: [two], replicas: [...three2(), ended('web-2-4', { stopSentAtMs: 1, lastExit: exitAt(NOW) })] },
      'remove web-2-4',
    ],
    [
      'takes what was told to stop out of the router',
      {
        sets: [two],
        replicas: [...three2(), aReplica('web-1-1', { phase: 'Terminating', ready: false })],
        targets: [...three2().map(({ id }) => aTarget(id)), aTarget('web-1-1')],
      },
      'drain web-1-1',
    ],
    [
      'waits for what was told to stop',
      { sets: [two], replicas: [...three2(), aReplica('web-1-1', { phase: 'Terminating', ready: false })] },
      'wait',
    ],
    [
      'lets one that ended by itself keep its place for a second',
      { sets: [two], replicas: [...three2().slice(1), ended('web-2-1', { lastExit: exitAt(NOW - 999) })] },
      'wait',
    ],
    [
      'replaces it then',
      { sets: [two], replicas: [...three2().slice(1), ended('web-2-1', { lastExit: exitAt(NOW - 1000) })] },
      'remove web-2-1, start web-2-4',
    ],
    [
      'retires what belongs to no set under the limits',
      { replicas: three, spec: { maxSurge: 0, maxUnavailable: 1, drainSeconds: 30 } },
      'drain web-1-3, start web-2-1',
    ],
    [
      'starts nothing under TerminationComplete while places are taken',
      {
        spec: { replacement: 'TerminationComplete', maxSurge: 0, maxUnavailable: 1 },
        sets: [aSet(2, 3)],
        replicas: [...three2().slice(0, 2), aReplica('web-1-1', { phase: 'Terminating', ready: false })],
      },
      'wait',
    ],
    [
      'starts as many under TerminationComplete as there are places',
      {
        spec: { replacement: 'TerminationComplete' },
        sets: [aSet(2, 3)],
        replicas: [
          ...three2().slice(0, 1),
          aReplica('web-1-1', { phase: 'Terminating', ready: false }),
          ended('web-1-2', { stopSentAtMs: 1 }),
        ],
      },
      'remove web-1-2, start web-2-2, start web-2-3',
    ],
  ])('%s', (_name, state, expected) => {
    expect(steps(state)).toBe(expected)
  })

  /** Three replicas of revision 2, the third as given. */
  function three2(third: Partial<ObservedReplica> = {}) {
    return [aReplica('web-2-1'), aReplica('web-2-2'), aReplica('web-2-3', third)]
  }
})

describe('what comes next', () => {
  const next = (state: State): string =>
    planned(state)
      .next.map(({ replica }) => replica)
      .join(', ')
  it.each<[string, State, string]>([
    ['the starts after these', { sets: [aSet(1, 3)], replicas: three }, 'web-2-2'],
    ['no more than may start at once', { sets: [aSet(1, 3)], replicas: three, spec: { maxSurge: 2 } }, 'web-2-3'],
    ['all, while the old ones end under Recreate', RECREATE, 'web-2-1, web-2-2, web-2-3'],
    ['nothing when all are there', { sets: [aSet(2, 3)] }, ''],
    ['nothing while it is paused', { sets: [aSet(1, 3)], replicas: three, paused: true }, ''],
    ['nothing when nothing is wanted', { revision: null, sets: [aSet(1, 3)], replicas: three }, ''],
  ])('%s', (_name, state, expected) => {
    expect(next(state)).toBe(expected)
  })

  it('is what is started then', () => {
    const started = simulate(input({ sets: [aSet(1, 3)], replicas: three }), NOW).steps
    expect(started.flatMap((step) => (step.kind === 'start' ? [step.replica] : []))[1]).toBe('web-2-2')
  })
})

describe('drain', () => {
  const draining = (more: Partial<ObservedTarget> = {}): State => ({
    spec: { drainSeconds: 30 },
    revision: 1,
    sets: [aSet(1, 2, { desiredReplicas: 3, maxReplicas: 4 })],
    replicas: three,
    paused: true,
    targets: [aTarget('web-1-1', { state: 'Draining', sinceMs: NOW, ...more }), aTarget('web-1-2'), aTarget('web-1-3')],
  })
  it('stops when nothing is in flight', () => {
    expect(steps(draining())).toBe('stop web-1-1')
  })
  it('is one plan with the stop where there is no time to wait for', () => {
    const active = { ...draining(), targets: three.map(({ id }) => aTarget(id)) }
    expect(steps(active)).toBe('drain web-1-3')
    expect(steps({ ...active, spec: { drainSeconds: 0 } })).toBe('drain web-1-3, stop web-1-3')
  })
  it('waits while something is, and says until when', () => {
    expect(planned(draining({ inFlight: 1, sinceMs: NOW - 29_999 }))).toMatchObject({
      steps: [{ kind: 'wait', untilMs: NOW + 1 }],
      waitUntilMs: NOW + 1,
      complete: false,
    })
  })
  it('says when the first of several is over', () => {
    const busy = (id: string, sinceMs: number) => aTarget(id, { state: 'Draining', sinceMs, inFlight: 1 })
    const targets = [busy('web-1-1', NOW - 2), busy('web-1-2', NOW - 3), busy('web-1-3', NOW - 1)]
    const spec = { drainSeconds: 30, replicas: 0 }
    expect(planned({ ...draining(), spec, sets: [aSet(1, 0)], targets }).waitUntilMs).toBe(NOW - 3 + 30_000)
  })
  it('stops when drainSeconds are over', () => {
    expect(steps(draining({ inFlight: 1, sinceMs: NOW - 30_000 }))).toBe('stop web-1-1')
  })
  it('goes on with the same replica after a crash of the loop, even when another one would die first now', () => {
    const state = draining({ inFlight: 1 })
    const replicas = [aReplica('web-1-1'), aReplica('web-1-2'), aReplica('web-1-3', { phase: 'Pending', ready: false })]
    expect(steps({ ...state, replicas, targets: state.targets?.slice(0, 2) ?? [] })).toBe('wait')
  })
  it('comes back when the size grew again', () => {
    expect(steps({ ...draining(), sets: [aSet(1, 3, { desiredReplicas: 3 })] })).toBe('admit web-1-1')
  })
  it('stops with the grace period of its own revision', () => {
    const specs = new Map([
      [1, [aSpec({ terminationGracePeriodSeconds: 7 })]],
      [2, [aSpec({ terminationGracePeriodSeconds: 8 })]],
    ])
    const plan = planRollout({ ...input({ ...draining(), revision: 2 }), specs }, NOW)
    expect(plan.steps).toMatchObject([{ kind: 'stop', replica: 'web-1-1', graceSeconds: 7 }])
  })
})

describe('which dies first', () => {
  const older = { startedAtMs: 400 }
  it.each<[string, Partial<ObservedReplica>, Partial<ObservedReplica>, Partial<RolloutSpec>]>([
    ['Pending before Running', { phase: 'Pending', ready: false }, { ready: false }, {}],
    ['not ready before ready', { ready: false, ...older }, {}, {}],
    ['ready but not available before available', { readySinceMs: NOW - 1000, ...older }, {}, { minReadySeconds: 2 }],
    ['ready for a shorter time before longer', { readySinceMs: 1001, ...older }, {}, {}],
    ['more restarts before fewer', { restarts: 1, ...older }, {}, {}],
    ['newer before older', { startedAtMs: 501 }, {}, {}],
    ['the higher id where all is equal', {}, {}, {}],
  ])('%s', (_name, dies, stays, spec) => {
    const replicas = [aReplica('web-1-1', stays), aReplica('web-1-2', dies)]
    const state = {
      spec: { replicas: 1, routed: false, ...spec },
      revision: 1,
      sets: [aSet(1, 1)],
      replicas,
      targets: [],
    }
    expect(steps(state)).toBe('stop web-1-2')
    const swapped = [aReplica('web-1-1', dies), aReplica('web-1-2', stays)]
    if (Object.keys(dies).length > 0) expect(steps({ ...state, replicas: swapped })).toBe('stop web-1-1')
  })

  it('one on a host with more replicas of the set before fewer', () => {
    const replicas = ['a', 'b', 'b'].map((host, index) =>
      aReplica(`web-1-${index + 1}`, { host, startedAtMs: 500 - index }),
    )
    expect(
      steps({ spec: { replicas: 2, routed: false }, revision: 1, sets: [aSet(1, 2)], replicas, targets: [] }),
    ).toBe('stop web-1-2')
  })
})

describe('available', () => {
  it.each([
    [10_000, 0, true],
    [8000, 2, false],
    [7999, 2, true],
  ])(
    'strictly longer than minReadySeconds: ready since %i at 10000 with %i s: %s',
    (since, minReadySeconds, available) => {
      const replicas = [aReplica('web-1-1', { readySinceMs: since })]
      const state = input({ spec: { replicas: 1, minReadySeconds }, revision: 1, sets: [aSet(1, 1)], replicas })
      const plan = planRollout(state, 10_000)
      expect(plan.complete).toBe(available)
      expect(plan.waitUntilMs).toBe(available ? null : since + 2001)
    },
  )
  it.each([
    ['the new release asks for longer', 0, 3],
    ['its own release asked for longer', 5, 0],
  ])('by the release of each replica: %s', (_name, own, available) => {
    const replicas = [1, 2, 3].map((ordinal) => aReplica(`web-1-${ordinal}`, { readySinceMs: NOW - 500 }))
    const specs = new Map([
      [1, [aSpec({ minReadySeconds: own })]],
      [2, [aSpec({ minReadySeconds: 1 })]],
    ])
    const state = { ...input({ sets: [aSet(1, 3)], replicas }), specs }
    expect(planRollout(state, NOW).roles).toMatchObject([{ replicas: 3, available }])
    expect(simulate(state, NOW).fewestAvailable).toBe(available)
  })
  it('counts from the admission of a routed role', () => {
    const state = {
      spec: { replicas: 1, minReadySeconds: 2 },
      revision: 1,
      sets: [aSet(1, 1)],
      replicas: three.slice(0, 1),
    }
    expect(planned({ ...state, targets: [aTarget('web-1-1', { sinceMs: NOW - 1 })] })).toMatchObject({
      complete: false,
      waitUntilMs: NOW + 2000,
    })
  })
  it('keeps the old ones until the router has the new one', () => {
    const replicas = [aReplica('web-1-1'), aReplica('web-2-1')]
    const sets = [aSet(1, 1), aSet(2, 1)]
    expect(steps({ spec: { replicas: 1 }, sets, replicas, targets: [aTarget('web-1-1')] })).toBe('admit web-2-1')
    expect(steps({ spec: { replicas: 1 }, sets, replicas })).toBe('drain web-1-1, stop web-1-1')
  })
})

describe('roles', () => {
  const spec = (role: string, more: Partial<RolloutSpec> = {}) => aSpec({ role, replicas: 1, routed: false, ...more })
  const state = (
    wanted: readonly RolloutSpec[],
    replicas: readonly ObservedReplica[],
    sets: readonly ReplicaSet[],
  ): RolloutInput => ({
    specs: new Map([[2, wanted]]),
    desired: { revision: 2, paused: false, sets },
    observed: { atMs: NOW, replicas },
    router: aRouter([]),
  })
  const text = (given: RolloutInput) => planRollout(given, NOW).steps.map(show).join(', ')
  const worker = (more: Partial<ReplicaSet> = {}) => aSet(1, 1, { role: 'worker', ...more })

  it('are rolled one after the other in the order of the file', () => {
    const roles = [spec('web'), spec('worker')]
    const old = [aReplica('web-1-1'), aReplica('worker-1-1')]
    expect(text(state(roles, old, [aSet(1, 1), worker()]))).toBe('start web-2-1')
    expect(text(state([...roles].reverse(), old, [aSet(1, 1), worker()]))).toBe('start worker-2-1')
    const webDone = [aReplica('web-2-1'), aReplica('worker-1-1')]
    expect(text(state(roles, webDone, [aSet(2, 1), worker()]))).toBe('start worker-2-1')
  })

  it('replace dead replicas and follow a changed number while they wait for their turn', () => {
    const roles = [spec('web'), spec('worker', { replicas: 2 })]
    const pending = [aReplica('web-2-1', { ready: false })]
    expect(text(state(roles, pending, [aSet(2, 1), worker({ size: 2, desiredReplicas: 2 })]))).toBe(
      'start worker-1-1, start worker-1-2',
    )
    expect(text(state(roles, [...pending, aReplica('worker-1-1')], [aSet(2, 1), worker({ desiredReplicas: 1 })]))).toBe(
      'start worker-1-2',
    )
  })

  it('that the app does not have any more go when all others have arrived', () => {
    const old = aReplica('worker-1-1')
    const sets = [aSet(2, 1), worker()]
    expect(text(state([spec('web')], [aReplica('web-2-1', { ready: false }), old], sets))).toBe('wait')
    const last = state([spec('web')], [aReplica('web-2-1'), old], sets)
    expect(planRollout(last, NOW)).toMatchObject({
      steps: [{ kind: 'stop', replica: 'worker-1-1', graceSeconds: 30, cause: 'nothing of it is wanted any more' }],
      complete: false,
    })
    expect(simulate(last, NOW)).toMatchObject({ complete: true, replicas: 1 })
  })

  it('all go at once when nothing is wanted', () => {
    const all = state([spec('web')], [aReplica('web-2-1'), aReplica('worker-1-1')], [aSet(2, 1), worker()])
    const stop = { ...all, desired: { ...all.desired, revision: null } }
    expect(text(stop)).toBe('stop web-2-1, stop worker-1-1')
    expect(simulate(stop, NOW).complete).toBe(true)
    const paused = { ...stop, desired: { ...stop.desired, paused: true } }
    expect(text(paused)).toBe('stop web-2-1, stop worker-1-1')
  })

  it('of the wanted revision must be given', () => {
    expect(() => planRollout({ ...state([], [], []), specs: new Map() }, NOW)).toThrow('revision 2 are not given')
  })
})

describe('paused', () => {
  it('does not create the new set', () => {
    expect(planned({ paused: true, sets: [aSet(1, 3)], replicas: three })).toMatchObject({
      sets: [{ revision: 1, size: 3 }],
      steps: [{ kind: 'wait', cause: 'web: the rollout is paused' }],
      complete: false,
    })
  })
  it('replaces a dead replica, of the old revision', () => {
    expect(steps({ paused: true, sets: [aSet(1, 3)], replicas: three.slice(1) })).toBe('start web-1-1')
  })
  it('scales', () => {
    const sets = [aSet(1, 3, { desiredReplicas: 3, maxReplicas: 4 })]
    expect(steps({ paused: true, spec: { replicas: 4 }, sets, replicas: three })).toBe('start web-1-4')
  })
})

describe('complete', () => {
  const done = [1, 2, 3].map((ordinal) => aReplica(`web-2-${ordinal}`))
  it.each<[string, readonly ObservedReplica[], boolean]>([
    ['all new ones available', done, true],
    ['one that still stops', [...done, aReplica('web-1-1', { phase: 'Terminating', ready: false })], false],
    ['one that is not removed yet', [...done, ended('web-1-1', { stopSentAtMs: 1 })], false],
    ['one that is not ready', [...done.slice(1), aReplica('web-2-1', { ready: false })], false],
  ])('%s: %s', (_name, replicas, complete) => {
    expect(planned({ sets: [aSet(2, 3)], replicas }).complete).toBe(complete)
  })
  it('not while the router knows a target that is gone', () => {
    const targets = [...done.map(({ id }) => aTarget(id)), aTarget('web-1-1', { state: 'Draining' })]
    expect(planned({ sets: [aSet(2, 3)], replicas: done, targets })).toMatchObject({
      complete: false,
      steps: [{ kind: 'remove', replica: 'web-1-1', cause: 'its replica is gone' }],
    })
  })
  it('forgets an empty old set when its last replica is gone', () => {
    expect(planned({ sets: [aSet(1, 0), aSet(2, 3)], replicas: done }).sets.map(({ revision }) => revision)).toEqual([
      2,
    ])
  })
  it('goes on at once when a size changed and there is no step for it', () => {
    const sets = [aSet(1, 3, { desiredReplicas: 3 }), aSet(2, 3, { desiredReplicas: 3 })]
    expect(planned({ spec: { maxSurge: 3 }, sets, replicas: done })).toMatchObject({ complete: true, steps: [] })
  })
})
