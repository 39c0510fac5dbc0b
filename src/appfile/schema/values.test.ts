import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { splitCommand } from './command.ts'
import { parseCpu, parseMemory } from './quantity.ts'
import { parseListen } from './rollout-keys.ts'

describe('a command as a text', () => {
  it.each([
    ['./work', ['./work']],
    ['  node  server.js\t--port 80\n', ['node', 'server.js', '--port', '80']],
    ['sh -c "a | b && c"', ['sh', '-c', 'a | b && c']],
    [`echo 'a "b" c' "it's"`, ['echo', 'a "b" c', "it's"]],
    [`a --name="x y"z`, ['a', '--name=x yz']],
    [`a '' ""`, ['a', '', '']],
    ['a \\n $HOME ~ * ?', ['a', '\\n', '$HOME', '~', '*', '?']],
    ["awk '{print $(NF)}'", ['awk', '{print $(NF)}']],
  ])('%s', (text, args) => {
    expect(splitCommand(text)).toEqual({ args })
  })
  it.each([
    'a | b',
    'a || b',
    'a && b',
    'a & b',
    'a; b',
    'a > b',
    'a >> b',
    'a < b',
    'a $(b)',
    'a `b`',
    'a|b',
    'a "',
    '',
    '   ',
    '""',
  ])('refuses %j', (text) => {
    expect(splitCommand(text)).toHaveProperty('wrong')
  })
  it('keeps any words that are quoted, whatever they hold', () => {
    const word = fc.string({ minLength: 1 }).filter((text) => !text.includes("'"))
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), (words) => {
        expect(splitCommand(words.map((text) => `'${text}'`).join(' '))).toEqual({ args: words })
      }),
    )
  })
})

describe('quantities', () => {
  it.each([
    ['500m', 500],
    ['0.5', 500],
    [0.25, 250],
    ['2', 2000],
    [1, 1000],
    ['.1', 100],
    ['1500m', 1500],
  ])('%s cpu is %i', (text, amount) => {
    expect(parseCpu(text)).toEqual({ amount })
  })
  it.each(['', 'm', '0', '0m', '-1', '1k', '1M', '500 m', '1e3', '0x1', 'NaN', '5000', '1.2.3'])(
    '%j is no cpu',
    (text) => {
      expect(parseCpu(text)).toHaveProperty('wrong')
    },
  )
  it.each([
    ['512Mi', 2 ** 29],
    ['1Gi', 2 ** 30],
    ['1.5Gi', 1.5 * 2 ** 30],
    ['512M', 512e6],
    ['2048Ki', 2 ** 21],
    [1_048_576, 2 ** 20],
    ['2G', 2e9],
  ])('%s of memory is %i', (text, amount) => {
    expect(parseMemory(text)).toEqual({ amount })
  })
  it.each([
    ['512m', 'Did you mean 512Mi?'],
    ['512', 'Did you mean 512Mi?'],
    ['512MB', 'Did you mean 512Mi?'],
    ['1gb', 'Did you mean 1Gi?'],
    ['1K', 'Did you mean 1Ki?'],
    ['-1Mi', 'Write it as 512Mi or 1Gi.'],
    ['lots', 'Write it as 512Mi or 1Gi.'],
    ['9007199254740993Gi', 'Write it as 512Mi or 1Gi.'],
    ['1toStr', 'Did you mean 1Ti?'],
    ['1constructor', 'Write it as 512Mi or 1Gi.'],
  ])('%s of memory is refused: %s', (text, hint) => {
    expect(parseMemory(text)).toMatchObject({ hint })
  })
})

it.each([
  [8080, { host: '127.0.0.1', port: 8080 }],
  ['0.0.0.0:80', { host: '0.0.0.0', port: 80 }],
  ['localhost:80', { host: 'localhost', port: 80 }],
  ['[::1]:80', { host: '::1', port: 80 }],
  [':80', null],
  ['example.com:80', null],
  ['127.0.0.1:0', null],
  ['1.2.3.256:80', null],
  ['80/tcp', null],
])('listen: %s', (written, expected) => {
  expect(parseListen(written)).toEqual(expected)
})
