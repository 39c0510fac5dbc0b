import type { Receipt } from '../../model/receipt.ts'
import { columns } from './columns.ts'
import { durationText } from './quantities.ts'

/** The timeline of a receipt: when, what, why, and how long it took. */
export function timelineText({ timeline, startedAtMs }: Receipt): string[] {
  const rows = timeline.map(({ atMs, step, cause, tookMs }) => [
    `+${((atMs - startedAtMs) / 1000).toFixed(2)} s`.padStart(10),
    step,
    tookMs === null ? '' : durationText(tookMs).padStart(7),
    cause.split('\n', 1)[0] ?? '',
  ])
  return columns(['at'.padStart(10), 'step', '   took', 'why'], rows)
}
