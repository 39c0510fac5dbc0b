import { describe, expect, it } from 'vitest'
import type { Happening } from '../../model/event.ts'
import { eventsOf } from '../testing.ts'
import { routerTotals } from './router-totals.ts'

type Counts = Readonly<Record<string, readonly [connections: number, refused: number, cut: number]>>
const reading = (at: 'start' | 'remove' | 'end', counts: Counts): Happening => ({
  kind: 'router',
  at,
  reading: 'bytes',
  counts: Object.fromEntries(
    Object.entries(counts).map(([replica, [connections, refused, cut]]) => [replica, { connections, refused, cut }]),
  ),
})

describe('routerTotals', () => {
  it('takes of each target its last reading less the one at the start', () => {
    const events = eventsOf(
      reading('start', { 'web-1-1': [100, 1, 0] }),
      reading('remove', { 'web-1-1': [150, 3, 1] }),
      reading('end', { 'web-2-1': [40, 0, 0] }),
    )
    expect(routerTotals(events)).toEqual({ router: { connections: 90, refused: 2, cut: 1 }, reading: 'bytes' })
  })

  it('tells nothing where nothing was read', () => {
    expect(routerTotals(eventsOf({ kind: 'note', message: 'x' }))).toEqual({ router: null, reading: 'none' })
  })
})
