import type { LostReason, Measured, NotMeasured } from '../model/receipt.ts'
import type { LedgerEntry } from './ledger.ts'

type Answered = Extract<LedgerEntry, { kind: 'answered' }>

/** What the requests of a ledger went through, and who served them. */
export interface LedgerFacts {
  readonly url: string
  readonly rate: number
  readonly entries: readonly LedgerEntry[]
  /** Revision that served a request, by its time and local port (`servedKey`); null or missing: not known. */
  readonly served: ReadonlyMap<string, number | null>
  readonly from: number | null
  readonly to: number
}

/** Heartbeats come every 250 ms: longer than this between two entries, and nobody was measuring. */
const GAP_MS = 2000

export const servedKey = ({ atMs, port }: { readonly atMs: number; readonly port: number }): string => `${atMs} ${port}`

/** Sums a ledger up. A route that never answered was not measured: whether that was the rollout's doing is not known. */
export function summarizeLedger(facts: LedgerFacts): Measured | NotMeasured {
  const answered = facts.entries.filter((entry) => entry.kind === 'answered')
  const lost = facts.entries.filter((entry) => entry.kind === 'lost')
  if (answered.length === 0) return { kind: 'not-measured', why: whyNothing(facts, lost) }
  const revisionOf = (entry: Answered) => facts.served.get(servedKey(entry)) ?? null
  const before = facts.from === facts.to ? [] : answered.filter((entry) => revisionOf(entry) === facts.from)
  const after = answered.filter((entry) => revisionOf(entry) === facts.to)
  return {
    kind: 'measured',
    url: facts.url,
    rate: facts.rate,
    sent: answered.length + lost.length,
    answered: answered.length,
    lost: lost.length,
    lostBy: countBy<LostReason>(lost.map(({ reason }) => reason)),
    byRevision: countBy(answered.map((entry) => String(revisionOf(entry) ?? 'unknown'))),
    otherStatus: countBy(
      answered.filter(({ status }) => status < 200 || status > 299).map(({ status }) => String(status)),
    ),
    p50: { before: percentile(before, 0.5), after: percentile(after, 0.5) },
    p99: { before: percentile(before, 0.99), after: percentile(after, 0.99) },
    gaps: gapsOf(facts.entries),
  }
}

function whyNothing({ url }: LedgerFacts, lost: readonly { reason: LostReason }[]): string {
  const [first] = lost
  return first === undefined
    ? `no request to ${url} ended`
    : `nothing answered on ${url}: ${first.reason} (${lost.length} times)`
}

function countBy<K extends string>(values: readonly K[]): Partial<Record<K, number>> & Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts as Partial<Record<K, number>> & Record<string, number>
}

/** Nearest rank, in whole milliseconds; null without a sample. */
function percentile(answered: readonly Answered[], share: number): number | null {
  const sorted = answered.map(({ tookMs }) => tookMs).sort((a, b) => a - b)
  return sorted[Math.ceil(share * sorted.length) - 1] ?? null
}

/** Times without any sign of the prober, between its first and its last one. */
function gapsOf(entries: readonly LedgerEntry[]): { fromMs: number; toMs: number }[] {
  const times = entries
    .map((entry) => ('tookMs' in entry ? entry.atMs + entry.tookMs : entry.atMs))
    .sort((a, b) => a - b)
  return times.flatMap((toMs, index) => {
    const fromMs = times[index - 1]
    return fromMs !== undefined && toMs - fromMs > GAP_MS ? [{ fromMs, toMs }] : []
  })
}
