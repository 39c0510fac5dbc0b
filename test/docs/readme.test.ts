import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { receiptText } from '../../src/cli/show/receipt.ts'
import { aReceipt } from '../../src/cli/show/testing.ts'

const README = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8')

/** The receipts of the transcript: from the line that names app and revisions to the way back. */
const receipts = [...README.matchAll(/^ {2}hello {2}r\d[\s\S]*?^ {2}back: .*$/gm)].map(([text]) =>
  text.split('\n').map((line) => line.slice(2)),
)

/** A line with what differs from run to run taken out. */
const shapeOf = (line: string): string =>
  line
    .replace(/"[^"]*"/, 'SUBJECT')
    .replace(/sha256:[0-9a-f]{8}…/, 'DIGEST')
    .replace(/(?<= {3})[0-9a-f]{7} SUBJECT/, 'COMMIT SUBJECT')
    .replace(/http:\S+/, 'URL')
    .replace(/^(note|failed): .*/, '$1:')
    .replace(/^shop|^hello/, 'APP')
    .replace(/[\d.,]+ (ms|s)\b/, 'TIME')
    .replace(/p99 .*/, 'LATENCY')
    .replace(/r\d+ [\d,]+( · r\d+ [\d,]+)?/, 'REVISIONS')
    .replace(/all-(new|old)/, 'END')
    .replaceAll(/\d[\d,]*/g, 'N')

/** Written anew from a run of `npm run demo`; this holds the lines to what is printed, not the times. */
it("README's transcript has receipts in the lines that are printed now", () => {
  expect(receipts).toHaveLength(3)
  const failure = { code: 'REPLICA_WRONG_PORT', message: 'x', hint: '', detail: {} } as const
  for (const lines of receipts) {
    const isFailed = lines.some((line) => line.startsWith('failed: '))
    const printed = receiptText(aReceipt({ notes: ['x'], failure: isFailed ? failure : null }), 200)
    expect(lines.map(shapeOf)).toEqual(printed.map(shapeOf))
  }
})
