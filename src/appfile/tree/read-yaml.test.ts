import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { refusal } from '../testing.ts'
import { DeployError } from '../../model/failure.ts'
import { nodeAt, plainOf } from './placed-tree.ts'
import { readYaml } from './read-yaml.ts'

const read = (text: string): unknown => plainOf(readYaml(text, 'naru.yaml'))
const laughs = 'bcdefghij'.split('').map(
  (name, index) =>
    `${name}: &${name} [${Array(9)
      .fill(`*${'abcdefghij'.charAt(index)}`)
      .join(', ')}]`,
)

/** A8: what must end at once, whatever it would grow to. A test that holds the event loop longer than its 5 s fails. */
const BOMBS: readonly (readonly [string, string, RegExp])[] = [
  ['a billion laughs', `a: &a [x, x, x, x, x, x, x, x, x]\n${laughs.join('\n')}`, /grows beyond/],
  [
    'a billion laughs under x-',
    `x-a: &a [x, x, x, x, x, x, x, x, x]\n${laughs.map((line) => `x-${line}`).join('\n')}`,
    /grows beyond/,
  ],
  [
    'merge keys on merge keys',
    `a0: &a0 { k: 1 }\n${Array.from({ length: 300 }, (_, i) => `a${i + 1}: &a${i + 1} { <<: [${Array(30).fill(`*a${i}`).join(', ')}] }`).join('\n')}`,
    /grows beyond|more than \d+ (parts|levels)/,
  ],
  ['an alias to itself', 'a: &a [*a]', /inside its own anchor/],
  ['two aliases in a ring', 'a: &a { b: &b { c: *a, d: *b } }', /inside its own anchor/],
  ['deep brackets', `a: ${'['.repeat(200_000)}`, /levels deep/],
  ['deep braces', '{a: '.repeat(100_000), /levels deep/],
  [
    'deep blocks',
    Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    /levels deep|more than \d+ parts/,
  ],
  ['deep lists', `a:\n  ${'- '.repeat(5000)}x`, /levels deep|more than \d+ parts/],
  ['many keys', Array.from({ length: 100_000 }, (_, i) => `a${i}: 1`).join('\n'), /more than \d+ parts/],
  ['many items', `a: [${'x,'.repeat(500_000)}]`, /more than \d+ parts/],
  ['many aliases', `a: &a 1\nb: [${'*a,'.repeat(300_000)}]`, /more than \d+ parts/],
  ['many comments', '# x\n'.repeat(200_000), /more than \d+ parts/],
  ['many question marks', '? '.repeat(200_000), /more than \d+ parts|levels deep/],
  ['one byte too many', `a: ${'x'.repeat(1024 * 1024)}`, /bytes; at most 1048576/],
  ['a huge block', `a: |\n${' x\n'.repeat(300_000)}`, /a text of \d+ characters; at most 65536/],
  ['a huge plain text', `a: ${'x\n '.repeat(300_000)}`, /a text of \d+ characters; at most 65536/],
  ['closing brackets', '}'.repeat(10_000), /Unexpected|more than/],
  ['__proto__', '__proto__: { polluted: true }', /the key __proto__ is not allowed/],
  ['__proto__ in quotes', 'env: { "__proto__": { polluted: true } }', /the key __proto__ is not allowed/],
  ['constructor', 'env:\n  constructor: { prototype: { polluted: true } }', /the key constructor is not allowed/],
  [
    '__proto__ by a merge key',
    'x-a: &a { __proto__: { polluted: true } }\nenv: { <<: *a }',
    /the key __proto__ is not allowed/,
  ],
  ['a map as a key', '? { a: 1 }\n: b', /a key that is no text/],
  ['a merge of a text', '<<: x', /<< expects a map/],
]

describe('YAML that would harm is refused before it grows (A8)', () => {
  it.each(BOMBS)('%s', { timeout: 5000 }, (_name, text, message) => {
    const error = refusal(() => read(text))
    expect(error.message).toMatch(message)
    expect(error.message.length).toBeLessThan(400)
    expect(['APPFILE_SYNTAX', 'APPFILE_TOO_LARGE']).toContain(error.code)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  it('refuses nothing but with a DeployError, whatever the text', { timeout: 60_000 }, () => {
    const piece = fc.constantFrom(
      ...[
        'a',
        ': ',
        '- ',
        '\n',
        '  ',
        '\t',
        '[',
        ']',
        '{',
        '}',
        ',',
        '&a ',
        '*a',
        '<<',
        '!!',
        '!x ',
        '|',
        '>',
        '"',
        "'",
        '#',
        '? ',
        '---',
        '...',
        '%',
        '@',
        '\0',
        '~',
        '1e9',
        '\u2028',
        '\ud800',
      ],
    )
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 60 }).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(text, (yaml) => {
        try {
          read(yaml)
        } catch (error) {
          expect(error).toBeInstanceOf(DeployError)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('YAML that is read', () => {
  it.each([
    ['nothing', '', {}],
    ['a comment', '# nothing\n', {}],
    ['a null', 'null', {}],
    ['words of YAML 1.1 as texts', 'a: [yes, no, on, off]', { a: ['yes', 'no', 'on', 'off'] }],
    ['a time as a text', 'a: 12:30:45\nb: 2026-01-01', { a: '12:30:45', b: '2026-01-01' }],
    ['aliases', 'a: &a { b: 1 }\nc: *a', { a: { b: 1 }, c: { b: 1 } }],
    ['an anchor used again for another value', 'a: &x 1\nb: *x\nc: &x 2\nd: *x', { a: 1, b: 1, c: 2, d: 2 }],
    [
      'merge keys: own keys win, then earlier maps',
      'x-a: &a { k: 1, l: 1 }\nx-b: &b { l: 2, m: 2 }\nc: { k: 0, <<: [*a, *b] }',
      { c: { k: 0, l: 1, m: 2 } },
    ],
    ['a byte order mark', '\uFEFFa: 1', { a: 1 }],
    ['line ends of Windows', 'a: 1\r\nb: 2\r\n', { a: 1, b: 2 }],
  ])('%s', (_name, text, value) => {
    expect(read(text)).toEqual(value)
  })

  it('knows where each value and each key stands', () => {
    const root = readYaml('app: shop\nroles:\n  web:\n    port: 80\n', 'x.yaml')
    expect(nodeAt(root, ['roles', 'web', 'port'])?.place).toEqual({ file: 'x.yaml', line: 4, column: 11 })
    expect(root.entries.get('roles')?.place).toEqual({ file: 'x.yaml', line: 2, column: 1 })
  })

  it('reads a file of eight hundred lines, which is more than real ones have', () => {
    const lines = Array.from({ length: 800 }, (_, index) => `  NAME_${index}: "value ${index}" # why`)
    expect(Object.keys((read(`env:\n${lines.join('\n')}`) as { env: object }).env)).toHaveLength(800)
  })
})
