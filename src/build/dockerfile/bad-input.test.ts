import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DeployError } from '../../model/failure.ts'
import { expandText, expandWord, expandWords, ExpansionFailed } from './expand-word.ts'
import { readDockerfile } from './stages.ts'

const WORDS = [
  ...[
    'FROM',
    'from a',
    'AS',
    'ARG',
    'ENV A=',
    'COPY',
    'ADD',
    'RUN',
    'ONBUILD',
    'HEALTHCHECK',
    'SHELL',
    'LABEL',
    'EXPOSE',
  ],
  ...[
    '--from=',
    '--mount=type=',
    '--chmod',
    '--',
    '--exclude=a',
    '<<EOF',
    '<<-"E F"',
    'EOF',
    '["',
    '"]',
    '[]',
    '[1]',
    '{',
  ],
  ...[
    '$',
    '${',
    '}',
    '${A:-',
    '${A##*',
    "'",
    '"',
    '\\',
    '`',
    '\n',
    '\r\n',
    '\n\n',
    '\t',
    ' ',
    '#',
    '# escape=`',
    '# syntax=x',
  ],
  ...['\u0000', '\uFEFF', '\u2028', '나', '\uD800', 'a'.repeat(300), '1m', '-1', '99999999999999999999'],
]
const text = fc
  .array(fc.oneof(fc.constantFrom(...WORDS), fc.string({ maxLength: 6 })), { maxLength: 40 })
  .map((all) => all.join(''))

function orReason(expand: () => unknown): void {
  try {
    expand()
  } catch (failed) {
    if (!(failed instanceof ExpansionFailed)) throw failed
  }
}

describe('bad input', () => {
  it('of any kind is read, or refused with its place', () => {
    fc.assert(
      fc.property(text, (content) => {
        try {
          expect(readDockerfile(content, 'Dockerfile').stages.length).toBeGreaterThan(0)
        } catch (failed) {
          if (!(failed instanceof DeployError)) throw failed
          expect(failed.detail).toMatchObject({
            file: 'Dockerfile',
            line: expect.any(Number),
            column: expect.any(Number),
          })
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('in a word is expanded, or refused with a reason', () => {
    const lookup = (name: string) => (name === 'A' ? 'a*b' : undefined)
    fc.assert(
      fc.property(text, fc.constantFrom('\\' as const, '`' as const), (word, escapeChar) => {
        const scope = { escapeChar, lookup }
        orReason(() => expandWord(word, scope))
        orReason(() => expandWords(word, scope))
        orReason(() => expandText(word, lookup))
      }),
      { numRuns: 2000 },
    )
  })
})
