import { describe, expect, it } from 'vitest'
import type { Measured } from '../../model/receipt.ts'
import { receiptText } from './receipt.ts'
import { aReceipt } from './testing.ts'
import { timelineText } from './timeline.ts'

const WIDE = 200
const text = (more: Parameters<typeof aReceipt>[0] = {}, width = WIDE) => receiptText(aReceipt(more), width).join('\n')
const measured = (more: Partial<Measured>) => ({ ...(aReceipt().requests as Measured), ...more })
const failure = {
  code: 'REPLICA_CRASHED',
  message: 'web-42-1 exited with code 3\nmore',
  hint: 'h',
  detail: {},
} as const

describe('the receipt', () => {
  it('says in four lines what design.md promises', () => {
    expect(text()).toMatchInlineSnapshot(`
      "shop  r41 → r42   9f2c1ab "Faster search"   sha256:51c0a3f2…   deployed by kim   all-new in 6.2 s
      lost 0 of 1,860   through http://127.0.0.1:8080   r41 902 · r42 958   p99 38 → 41 ms
      fewest available 3 of 3   in flight at stop 0   cut 0   migrate –   settings +2 −0   secrets unchanged
      back:  naru rollback  → r41 (image, settings and secrets)"
    `)
  })

  it('fits a narrow terminal, further lines indented', () => {
    expect(text({}, 60)).toMatchInlineSnapshot(`
      "shop  r41 → r42   9f2c1ab "Faster search"   sha256:51c0a3f2…
          deployed by kim   all-new in 6.2 s
      lost 0 of 1,860   through http://127.0.0.1:8080
          r41 902 · r42 958   p99 38 → 41 ms
      fewest available 3 of 3   in flight at stop 0   cut 0
          migrate –   settings +2 −0   secrets unchanged
      back:  naru rollback  → r41 (image, settings and secrets)"
    `)
  })

  it.each([
    [
      'a rollout that ended before its first step',
      { fewestAvailable: 0, replicas: 0 },
      ['fewest available –   in flight'],
    ],
    [
      'a first deploy',
      { from: null, to: 1, back: null, fewestAvailable: null },
      ['shop  → r1 ', 'nothing ran before   in flight', 'back:  nothing to go back to yet'],
    ],
    ['another environment', { environment: 'prod' }, ['shop (prod)  r41 → r42']],
    ['an image without a commit', { commit: null, subject: null }, ['r42   sha256:51c0a3f2…']],
    ['scaling', { kind: 'scale', from: 42 }, ['shop  r42 ', 'scaled by kim']],
    ['what was not measured', { requests: { kind: 'not-measured', why: 'no route' } }, ['not measured: no route']],
    [
      'a failure',
      { endState: 'all-old', failure },
      ['failed: REPLICA_CRASHED: web-42-1 exited with code 3\n', 'all-old in'],
    ],
    ['a failed first deploy', { endState: 'all-old', from: null, failure }, ['(nothing ran before)']],
    ['changed secrets', { secretsChanged: ['A', 'B'] }, ['secrets changed: A, B']],
    ['migrate', { migrate: 'not-run' }, ['migrate not run']],
    [
      'lost requests',
      { requests: measured({ lost: 3, lostBy: { reset: 2, timeout: 1 } }) },
      ['lost 3 (2 reset, 1 timeout) of 1,860'],
    ],
    ['a gap', { requests: measured({ gaps: [{ fromMs: 0, toMs: 1500 }] }) }, ['not measured for 1.5 s']],
    ['other answers', { requests: measured({ otherStatus: { 404: 7 } }) }, ['answered 7 × 404']],
    [
      'an unknown revision',
      { requests: measured({ byRevision: { unknown: 4, 42: 9 } }) },
      ['r42 9 · revision unknown 4'],
    ],
    ['a stop', { kind: 'stop', from: 42 }, ['stopped by kim   stopped in 6.2 s']],
    [
      'other numbers of replicas',
      { fewestAvailable: 2, replicas: 2, replicasBefore: 4, resized: [{ role: 'web', from: 4, to: 2 }] },
      ['fewest available 2 of 4   replicas web 4 → 2   in flight'],
    ],
    [
      'a mixed end by what runs',
      {
        endState: 'mixed',
        runs: [
          { role: 'web', revision: 41, replicas: 2, ready: 2 },
          { role: 'web', revision: 42, replicas: 1, ready: 0 },
        ],
      },
      ['\nruns:  web r41 × 2 · web r42 × 1 (0 ready)\n'],
    ],
    ['how a held one goes on', { endState: 'mixed', held: true }, ['secrets)   on:  naru resume  → r42 (tried again)']],
    ['no old sample', { requests: measured({ p99: { before: null, after: 4.26 } }) }, ['p99 4.3 ms']],
  ] as const)('tells %s', (_name, more, wanted) => {
    for (const part of wanted) expect(text(more)).toContain(part)
  })

  it('fits in ten lines however much there is to note', () => {
    const notes = Array.from({ length: 9 }, (_, at) => `note ${at}`)
    const runs = [{ role: 'web', revision: 41, replicas: 2, ready: 2 }]
    const lines = text({ notes, failure, endState: 'mixed', held: true, runs }).split('\n')
    expect(lines.length).toBeLessThanOrEqual(10)
    expect(lines).toContain('note:  and 6 more: naru history --receipt')
  })
})

it('shows the timeline with times since the beginning', () => {
  expect(timelineText(aReceipt()).join('\n')).toMatchInlineSnapshot(`
    "        at  step               took  why
       +0.12 s  source           120 ms  9f2c1ab "Faster search"
       +2.00 s  start web-42-1    31 ms  1 of 3 of revision 42 missing
       +3.50 s  web-42-1                 ready"
  `)
})
