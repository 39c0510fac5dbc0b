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
  expect(
    summarizeLedger({ url: 'http://a/', rate: 5, entries: ENTRIES, served, untilMs: 1300, from: 7, to: 8 }),
  ).toEqual({
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

const facts = { url: 'http://a/', rate: 5, served: new Map<string, number>(), from: 7, to: 8, untilMs: 1300 }
const KILLED = ENTRIES.filter(({ kind }) => kind !== 'ended')

it.each<readonly [string, readonly LedgerEntry[], number, readonly object[]]>([
  [
    'between one prober and the next',
    [...ENTRIES, { kind: 'began', atMs: 1400 }, { kind: 'ended', atMs: 1500 }],
    1500,
    [{ fromMs: 1300, toMs: 1400 }],
  ],
  [
    'where one was killed and another went on',
    [...KILLED, { kind: 'began', atMs: 1300 }, { kind: 'ended', atMs: 1500 }],
    1500,
    [{ fromMs: 1250, toMs: 1300 }],
  ],
  ['from the last sign of a killed one to the end', KILLED, 5000, [{ fromMs: 1250, toMs: 5000 }]],
  [
    'where it was stopped for a while',
    [...KILLED, { kind: 'there', atMs: 4000 }, { kind: 'ended', atMs: 4100 }],
    4100,
    [{ fromMs: 1250, toMs: 4000 }],
  ],
  ['not where it was only late', [...KILLED, { kind: 'there', atMs: 3000 }, { kind: 'ended', atMs: 3100 }], 3100, []],
  [
    'not where it waited for its last answer',
    [...KILLED, { kind: 'there', atMs: 3000 }, { kind: 'ended', atMs: 4900 }],
    3000,
    [],
  ],
])('has a gap %s', (_name, entries, untilMs, gaps) => {
  expect(summarizeLedger({ ...facts, entries, untilMs })).toMatchObject({ gaps })
})

it('does not take requests that nobody can place for those of a revision that was not there', () => {
  expect(summarizeLedger({ ...facts, entries: ENTRIES, from: null })).toMatchObject({
    byRevision: { unknown: 2 },
    p99: { before: null, after: null },
  })
})

it('has measured nothing when nothing was answered', () => {
  const entries = ENTRIES.filter(({ kind }) => kind !== 'answered')
  const summary = summarizeLedger({ ...facts, entries })
  expect(summary).toEqual({ kind: 'not-measured', why: 'nothing answered on http://a/: refused (1 times)' })
})
