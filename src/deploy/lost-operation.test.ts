import { describe, expect, it } from 'vitest'
import { endOfDone, endOfLost } from './lost-operation.ts'
import { aRollout } from '../model/testing.ts'
import { eventsOf } from './testing.ts'

describe('operations whose last words were lost with their server', () => {
  it('end as interrupted where nothing had begun', () => {
    expect(endOfLost()).toMatchObject([{ failure: { code: 'INTERRUPTED' } }, { kind: 'end', exit: 9, endState: null }])
  })

  it.each([
    ['all-new', null, true, 0],
    ['all-old', 'REPLICA_CRASHED', true, 7],
    ['mixed', 'REPLICA_CRASHED', true, 8],
    ['all-old', 'PORT_TAKEN', false, 10],
  ] as const)('end as remembered: %s after %s', (endState, code, touched, exit) => {
    const failure = code === null ? null : { code, message: '', hint: '', detail: {} }
    const past = touched
      ? eventsOf({ kind: 'station', station: 'rollout', state: 'started', note: 'to revision 2' })
      : eventsOf({ kind: 'note', message: 'x' })
    const rollout = aRollout({ phase: 'Done', endState, failure })
    expect(endOfDone(rollout, null, past)).toMatchObject({ kind: 'end', revision: 2, endState, exit })
  })

  it('end as superseded', () => {
    const rollout = aRollout({ phase: 'Done', endState: 'mixed', supersededBy: 3 })
    expect(endOfDone(rollout, null, [])).toMatchObject({ exit: 11 })
  })
})
