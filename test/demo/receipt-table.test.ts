import { expect, it } from 'vitest'
import { receiptRow, receiptTable } from './receipt-table.ts'
import { aReceipt } from './testing-receipt.ts'

it('receipts stand side by side, and what was not measured is no 0', () => {
  const requests = { kind: 'not-measured', why: 'no route' } as const
  const first = aReceipt({ rollout: 1, from: null, to: 1, fewestAvailable: null, requests })
  const rows = [receiptRow('deploy v1', first), receiptRow('deploy v2', aReceipt())]
  expect(receiptTable(rows).join('\n')).toBe(`\
rollout  what       revision  end state   took  requests  lost  cut  fewest available
r-1      deploy v1  → r1      all-new    1.2 s         –     –    0  nothing ran before
r-2      deploy v2  r1 → r2   all-new    1.2 s     1,500     0    0  3 of 3`)
})
