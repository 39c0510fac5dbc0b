// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of naru.yaml
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { refusal } from '../testing.ts'
import { expandText } from './expand-text.ts'
import { interpolate } from './interpolate.ts'
import { readYaml } from './read-yaml.ts'

const variables = { A: 'one', B: 'two', EMPTY: '', DOLLAR: '$${A}' }

describe('variables in a text', () => {
  it.each([
    ['plain', 'plain'],
    ['${A}', 'one'],
    ['x${A}y${B}z', 'xoneytwoz'],
    ['${A:-x}', 'one'],
    ['${NONE:-x}', 'x'],
    ['${EMPTY:-x}', 'x'],
    ['${EMPTY}', ''],
    ['${NONE:-}', ''],
    ['${NONE:-a:b-c?d}', 'a:b-c?d'],
    ['${NONE:-${A}${ALSO:-!}}', 'one!'],
    ['${A:-${NONE}}', 'one'],
    ['${A:?needed}', 'one'],
    ['$$', '$'],
    ['$${A}', '${A}'],
    ['$$$${A}$$', '$${A}$'],
    ['${NONE:-$$5}', '$5'],
    ['${DOLLAR}', '$${A}'],
    ['{A} }', '{A} }'],
  ])('%s is %s', (text, expected) => {
    expect(expandText(text, variables)).toMatchObject({ text: expected, wrong: [] })
  })

  it.each([
    ['${NONE}', 'missing', 'the variable NONE is not set'],
    ['${EMPTY:?say it}', 'missing', 'the variable EMPTY is not set: say it'],
    ['${NONE:-${ALSO}}', 'missing', 'the variable ALSO is not set'],
    ['${toString}', 'missing', 'the variable toString is not set'],
    ['${__proto__}', 'missing', 'the variable __proto__ is not set'],
    ['$', 'syntax', 'a $ that begins no'],
    ['$A', 'syntax', 'a $ that begins no'],
    ['$(reboot)', 'syntax', 'a $ that begins no'],
    ['${}', 'syntax', 'a variable whose name is none'],
    ['${A-B}', 'syntax', 'a variable whose name is none'],
    ['${A', 'syntax', 'not closed'],
    ['${A:', 'syntax', 'not closed'],
    ['${A:-', 'syntax', 'not closed'],
    ['${A:=x}', 'syntax', 'not closed'],
    ['${A:-${B}', 'syntax', 'not closed'],
    ['${A:-$}', 'syntax', 'a $ that begins no'],
  ])('%s is refused: %s', (text, kind, message) => {
    expect(expandText(text, variables).wrong).toMatchObject([{ kind, message: expect.stringContaining(message) }])
  })

  it('names every variable once, needed or not', () => {
    expect(expandText('${A}${B:-${C}}${A}', variables).names).toEqual(['A', 'B', 'C'])
  })
})

describe('properties', () => {
  const piece = fc.constantFrom('$', '$$', '{', '}', '${', ':-', ':?', ':', 'A', 'NONE', 'é', ' ', '-', '?')
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 40 }).map((parts) => parts.join('')),
  )

  it('never throws, and says nothing of a value', () => {
    fc.assert(
      fc.property(text, (written) => {
        const { wrong } = expandText(written, { A: 'hunter2' })
        expect(JSON.stringify(wrong)).not.toContain('hunter2')
      }),
      { numRuns: 2000 },
    )
  })
  it('gives back any text whose dollars are doubled', () => {
    fc.assert(
      fc.property(text, (written) => {
        expect(expandText(written.replaceAll('$', '$$$$'), {})).toEqual({ text: written, names: [], wrong: [] })
      }),
    )
  })
  it('puts a value in as it is, whatever it holds', () => {
    fc.assert(fc.property(text, (value) => expandText('<${A}>', { A: value }).text === `<${value}>`))
  })
})

describe('texts made to take long', { timeout: 5000 }, () => {
  it.each([
    ['open braces', '${'],
    ['open defaults', '${A:-'],
    ['missing names', '${NONE}'],
    ['known names', '${A}'],
    ['dollars', '$ '],
    ['doubled dollars', '$$'],
    ['closing braces', '}'],
  ])('%s', (_name, part) => {
    const { wrong } = expandText(part.repeat(Math.floor(1_000_000 / part.length)), variables)
    expect(wrong.length).toBeLessThanOrEqual(1)
  })
  it('refuses a file that its variables blow up', () => {
    const root = readYaml(
      `env:\n${Array.from({ length: 100 }, (_, i) => `  N${i}: "\${BIG}"`).join('\n')}`,
      'naru.yaml',
    )
    expect(refusal(() => interpolate(root, { BIG: 'x'.repeat(100_000) })).code).toBe('APPFILE_TOO_LARGE')
  })
})
