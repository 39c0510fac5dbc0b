import type { LostReason } from '../model/receipt.ts'

/**
 * The prober's append-only ledger: one line an entry, words separated by one space, times in wall milliseconds.
 *
 *     B <atMs>                          the prober began (again)
 *     T <atMs>                          it was there: a heartbeat
 *     A <atMs> <port> <status> <ms>     answered; sent at <atMs> from local port <port>
 *     L <atMs> <port> <reason> <ms>     lost
 *     E <atMs>                          it ended as it was told, with nothing under way
 */
export type LedgerEntry =
  | { readonly kind: 'began' | 'there' | 'ended'; readonly atMs: number }
  | {
      readonly kind: 'answered'
      readonly atMs: number
      readonly port: number
      readonly status: number
      readonly tookMs: number
    }
  | {
      readonly kind: 'lost'
      readonly atMs: number
      readonly port: number
      readonly reason: LostReason
      readonly tookMs: number
    }

/** Longer than this without any entry (heartbeats come every 250 ms), and nobody was measuring. */
export const GAP_MS = 2000

const LETTERS = { began: 'B', there: 'T', ended: 'E' } as const
const REASONS: readonly LostReason[] = ['refused', 'reset', 'timeout', 'incomplete', 'status-5xx']

/** One line, with its end. */
export function ledgerLine(entry: LedgerEntry): string {
  if (entry.kind === 'answered') return `A ${entry.atMs} ${entry.port} ${entry.status} ${entry.tookMs}\n`
  if (entry.kind === 'lost') return `L ${entry.atMs} ${entry.port} ${entry.reason} ${entry.tookMs}\n`
  return `${LETTERS[entry.kind]} ${entry.atMs}\n`
}

/** The entry of one line; null: the line was cut by a kill and says nothing. */
export function parseLedgerLine(line: string): LedgerEntry | null {
  const [letter, ...words] = line.split(' ')
  const [atMs = Number.NaN, port = Number.NaN] = words.map(Number)
  if (!Number.isFinite(atMs)) return null
  const simple = (Object.keys(LETTERS) as (keyof typeof LETTERS)[]).find((kind) => LETTERS[kind] === letter)
  if (simple !== undefined) return words.length === 1 ? { kind: simple, atMs } : null
  const tookMs = Number(words[3])
  if (words.length !== 4 || !Number.isFinite(port) || !Number.isFinite(tookMs) || words[3] === '') return null
  if (letter === 'A') return { kind: 'answered', atMs, port, status: Number(words[2]), tookMs }
  const reason = REASONS.find((known) => known === words[2])
  return letter === 'L' && reason !== undefined ? { kind: 'lost', atMs, port, reason, tookMs } : null
}

/** All entries of a ledger; a last line without its end is left out. */
export function parseLedger(text: string): LedgerEntry[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .flatMap((line) => parseLedgerLine(line) ?? [])
}
