import { describe, expect, it } from 'vitest'
import { checkLoad, checkRollout, type Expected } from './checks.ts'
import { isWhole } from './conclude.ts'
import { aMeasurement, aReceipt } from './testing-receipt.ts'

const update: Expected = {
  exit: 0,
  kind: 'deploy',
  from: 1,
  to: 2,
  endState: 'all-new',
  available: 3,
  cause: null,
}
const failure = {
  code: 'REPLICA_WRONG_PORT',
  message: 'web-2-1 listens on 8080, was told 20006',
  hint: '',
  detail: {},
} as const
const broken = (...args: Parameters<typeof checkRollout>) =>
  checkRollout(...args)
    .filter(({ held }) => !held)
    .map(({ what }) => what)

describe('a rollout of the demo', () => {
  it('holds when it went as it was told', () => expect(broken('v2', 0, aReceipt(), update)).toEqual([]))

  it('holds when it had to fail, and its cause was found', () => {
    const expected: Expected = { ...update, exit: 7, endState: 'all-old', cause: /was told \d+/ }
    expect(broken('v3', 7, aReceipt({ endState: 'all-old', failure }), expected)).toEqual([])
  })

  it.each([
    ['another exit code', 7, aReceipt(), 'v2: exit code 0'],
    ['another way', 0, aReceipt({ from: 3 }), 'v2: r1 → r2'],
    ['another end', 0, aReceipt({ endState: 'mixed' }), 'v2: all-new'],
    ['a failure', 0, aReceipt({ failure }), 'v2: no failure'],
    ['a cut connection', 0, aReceipt({ cut: 1 }), 'v2: nothing cut'],
    ['a lost request', 0, aReceipt({ requests: aMeasurement({ answered: 1499, lost: 1 }) }), 'v2: lost 0'],
    ['a request in no count', 0, aReceipt({ requests: aMeasurement({ answered: 1499 }) }), 'v2: measured'],
    [
      'a gap',
      0,
      aReceipt({ requests: aMeasurement({ gaps: [{ fromMs: 1, toMs: 2 }] }) }),
      'v2: measured without a gap',
    ],
    ['no measurement', 0, aReceipt({ requests: { kind: 'not-measured', why: 'no route' } }), 'v2: measured'],
    ['too few available', 0, aReceipt({ fewestAvailable: 2 }), 'v2: 3 available throughout'],
  ] as const)('does not hold with %s', (_name, exit, receipt, what) => {
    expect(broken('v2', exit, receipt, update)).toEqual([what])
  })

  it('asks nothing of availability where nothing ran before', () => {
    const first: Expected = { ...update, from: null, to: 1, available: null }
    expect(broken('v1', 0, aReceipt({ from: null, to: 1, fewestAvailable: null }), first)).toEqual([])
  })
})

describe('the demo', () => {
  const load = { sent: 9, answered: 9, lost: 0, lostBy: {}, bodies: {}, slowestMs: 1 }
  const story = { checks: checkLoad(load), rows: [], load, isolation: 'none' }

  it('is whole when everything held and nothing is left', () => {
    expect(isWhole({ story, failure: null, leftovers: [] })).toBe(true)
  })

  it.each([
    ['something is left behind', { story, failure: null, leftovers: ['process 7'] }],
    ['it was stopped', { story, failure: 'SIGINT', leftovers: [] }],
    ['the load client never reported', { story: { ...story, load: null }, failure: null, leftovers: [] }],
    [
      'the load client lost a request',
      { story: { ...story, checks: checkLoad({ ...load, answered: 8, lost: 1 }) }, failure: null, leftovers: [] },
    ],
  ])('is not whole when %s', (_name, outcome) => expect(isWhole(outcome)).toBe(false))
})
