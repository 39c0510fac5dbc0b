import type { Event } from '../../model/event.ts'
import type { TargetCounts } from '../../model/observed.ts'
import type { Receipt } from '../../model/receipt.ts'

const NONE: TargetCounts = { connections: 0, refused: 0, cut: 0 }

/**
 * What the router counted during the rollout: of each target its last reading less its reading at the start. Readings are
 * taken at the start, before a target is forgotten, and at the end.
 */
export function routerTotals(events: readonly Event[]): Pick<Receipt, 'router' | 'reading'> {
  const readings = events.filter((event) => event.kind === 'router')
  const last = readings.at(-1)
  if (last === undefined) return { router: null, reading: 'none' }
  const first = readings.find(({ at }) => at === 'start')?.counts ?? {}
  const latest: Record<string, TargetCounts> = Object.assign({}, ...readings.map(({ counts }) => counts))
  let total = NONE
  for (const [replica, counts] of Object.entries(latest)) total = add(total, counts, first[replica] ?? NONE)
  return { router: total, reading: last.reading }
}

function add(total: TargetCounts, counts: TargetCounts, baseline: TargetCounts): TargetCounts {
  return {
    connections: total.connections + counts.connections - baseline.connections,
    refused: total.refused + counts.refused - baseline.refused,
    cut: total.cut + counts.cut - baseline.cut,
  }
}
