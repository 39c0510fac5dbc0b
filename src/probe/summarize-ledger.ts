import type { LostReason, Measured, NotMeasured } from '../model/receipt.ts'
import { GAP_MS, type LedgerEntry } from './ledger.ts'

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
  /** When the prober was told to end: until then it had to be there. */
  readonly untilMs: number
}

/** What names a request of a ledger: when it was sent, and from which port. */
export const servedKey = ({ atMs, port }: { readonly atMs: number; readonly port: number }): string => `${atMs} ${port}`

/** Sums a ledger up. A route that never answered was not measured: whether that was the rollout's doing is not known. */
export function summarizeLedger(facts: LedgerFacts): Measured | NotMeasured {
  const answered = facts.entries.filter((entry) => entry.kind === 'answered')
  const lost = facts.entries.filter((entry) => entry.kind === 'lost')
  if (answered.length === 0) return { kind: 'not-measured', why: whyNothing(facts, lost) }
  const revisionOf = (entry: Answered) => facts.served.get(servedKey(entry)) ?? null
  const before =
    facts.from === null || facts.from === facts.to ? [] : answered.filter((entry) => revisionOf(entry) === facts.from)
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
    gaps: gapsOf(facts.entries, facts.untilMs),
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

/**
 * Times that nobody measured: long ones without any sign of the prober, from one prober to the next, and from the last sign of
 * one that was killed to the end. However short these are, what was under way when it was killed is in no count.
 */
function gapsOf(entries: readonly LedgerEntry[], untilMs: number): { fromMs: number; toMs: number }[] {
  const signs = entries
    .map((entry) => ({ kind: entry.kind, atMs: 'tookMs' in entry ? entry.atMs + entry.tookMs : entry.atMs }))
    .sort((a, b) => a.atMs - b.atMs)
  const last = signs.at(-1)
  const between = signs.flatMap(({ kind, atMs }, index) => {
    const before = signs[index - 1]
    if (before === undefined || (kind !== 'began' && atMs - before.atMs <= GAP_MS)) return []
    return [{ fromMs: before.atMs, toMs: atMs }]
  })
  if (last === undefined || last.kind === 'ended' || last.atMs >= untilMs) return between
  return [...between, { fromMs: last.atMs, toMs: untilMs }]
}
