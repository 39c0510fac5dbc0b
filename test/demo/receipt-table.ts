import type { Receipt } from '../../src/model/receipt.ts'

/** One row of the table at the end, and of the JSON's last line. Counts are null where nothing was measured. */
export interface ReceiptRow {
  readonly chapter: string
  readonly rollout: number
  readonly kind: Receipt['kind']
  readonly from: number | null
  readonly revision: number
  readonly endState: Receipt['endState']
  readonly requests: number | null
  readonly lost: number | null
  readonly gaps: number | null
  readonly cut: number
  readonly inFlightAtStop: number
  /** null: nothing ran before. */
  readonly fewestAvailable: number | null
  readonly replicas: number
  readonly tookMs: number
}

export function receiptRow(chapter: string, receipt: Receipt): ReceiptRow {
  const { rollout, kind, from, to, endState, requests, cut, inFlightAtStop, fewestAvailable, replicas, tookMs } =
    receipt
  const measured = requests.kind === 'measured' ? requests : null
  return {
    chapter,
    rollout,
    kind,
    from,
    revision: to,
    endState,
    requests: measured?.sent ?? null,
    lost: measured?.lost ?? null,
    gaps: measured?.gaps.length ?? null,
    cut,
    inFlightAtStop,
    fewestAvailable,
    replicas,
    tookMs,
  }
}

const HEADS = ['rollout', 'what', 'revision', 'end state', 'took', 'requests', 'lost', 'cut', 'fewest available']
const RIGHT = new Set(['took', 'requests', 'lost', 'cut'])

/** The receipts side by side, columns aligned. */
export function receiptTable(rows: readonly ReceiptRow[]): string[] {
  const cells = [HEADS, ...rows.map(cellsOf)]
  const widths = HEADS.map((_head, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const pad = (cell: string, column: number) =>
    RIGHT.has(HEADS[column] ?? '') ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)
  return cells.map((row) => row.map(pad).join('  ').trimEnd())
}

function cellsOf(row: ReceiptRow): string[] {
  return [
    `r-${row.rollout}`,
    row.chapter,
    `${row.from === null ? '' : `r${row.from} `}→ r${row.revision}`,
    row.endState,
    `${(row.tookMs / 1000).toFixed(1)} s`,
    countText(row.requests),
    countText(row.lost),
    String(row.cut),
    row.fewestAvailable === null ? 'nothing ran before' : `${row.fewestAvailable} of ${row.replicas}`,
  ]
}

const countText = (count: number | null): string => (count === null ? '–' : count.toLocaleString('en-US'))
