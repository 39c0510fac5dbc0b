import { expect, it } from 'vitest'
import { type LedgerEntry, ledgerLine, parseLedger } from './ledger.ts'
import { servedKey, summarizeLedger } from './summarize-ledger.ts'

const ENTRIES: readonly LedgerEntry[] = [
  { kind: 'began', atMs: 1000 },
  { kind: 'answered', atMs: 1001, port: 40001, status: 200, tookMs: 3 },
  { kind: 'answered', atMs: 1002, port: 40002, status: 404, tookMs: 9 },
  { kind: 'lost', atMs: 1003, port: 0, reason: 'refused', tookMs: 1 },
  { kind: 'there', atMs: 1250 },
  { kind: 'ended', atMs: 1300 },
]

it('reads back what was written', () => {
  expect(parseLedger(ENTRIES.map(ledgerLine).join(''))).toEqual(ENTRIES)
})

it.each([
  ['a last line that a kill has cut', 'A 1001 40001 200 3\nA 1002 400'],
  ['rubbish', 'A 1001 40001 200 3\nX 1\n\nA 1 2\nL 1 2 bored 3\nB\n'],
])('leaves out %s', (_name, text) => {
  expect(parseLedger(text)).toEqual([ENTRIES[1]])
})

it('sums up by revision and keeps latencies of old and new apart', () => {
  const served = new Map([[servedKey({ atMs: 1001, port: 40001 }), 7]])
  expect(summarizeLedger({ url: 'http://a/', rate: 5, entries: ENTRIES, served, from: 7, to: 8 })).toEqual({
    kind: 'measured',
    url: 'http://a/',
    rate: 5,
    sent: 3,
    answered: 2,
    lost: 1,
    lostBy: { refused: 1 },
    byRevision: { 7: 1, unknown: 1 },
    otherStatus: { 404: 1 },
    p50: { before: 3, after: null },
    p99: { before: 3, after: null },
    gaps: [],
  })
})

it('has a gap where nobody was there', () => {
  const entries: LedgerEntry[] = [...ENTRIES, { kind: 'began', atMs: 9000 }]
  const summary = summarizeLedger({ url: 'http://a/', rate: 5, entries, served: new Map(), from: 7, to: 8 })
  expect(summary).toMatchObject({ gaps: [{ fromMs: 1300, toMs: 9000 }] })
})

it('has measured nothing when nothing was answered', () => {
  const entries = ENTRIES.filter(({ kind }) => kind !== 'answered')
  const summary = summarizeLedger({ url: 'http://a/', rate: 5, entries, served: new Map(), from: 7, to: 8 })
  expect(summary).toEqual({ kind: 'not-measured', why: 'nothing answered on http://a/: refused (1 times)' })
})
