import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { choosePort, portSeed } from './assigned-ports.ts'

const RANGE = { first: 20_000, last: 20_009 }

describe('choosePort', () => {
  it.each([
    [null, [], 20_000],
    [20_003, [], 20_004],
    [20_009, [], 20_000],
    [20_009, [20_000, 20_001], 20_002],
    [30_000, [], 20_000],
  ])('after %s, with %j taken, gives %i', (last, taken, expected) => {
    expect(choosePort(RANGE, last, new Set(taken))).toBe(expected)
  })

  it('says PORT_TAKEN when all are', () => {
    const all = new Set(Array.from({ length: 10 }, (_, at) => 20_000 + at))
    expect(() => choosePort(RANGE, null, all)).toThrow('all 10 ports from 20000 to 20009 are in use')
  })

  it('never gives a taken port, and finds one whenever there is one', () => {
    const port = fc.integer({ min: RANGE.first, max: RANGE.last })
    fc.assert(
      fc.property(fc.option(port), fc.uniqueArray(port, { maxLength: 9 }), (last, taken) => {
        const given = choosePort(RANGE, last, new Set(taken))
        return !taken.includes(given) && given >= RANGE.first && given <= RANGE.last
      }),
    )
  })
})

it.each([
  ['00000000', 20_000],
  ['0000000f', 20_005],
  ['ffffffff', 20_005],
])('instance %s begins after %i', (id, expected) => {
  expect(portSeed(RANGE, id)).toBe(expected)
})
