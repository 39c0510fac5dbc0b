// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of a Dockerfile
import { describe, expect, it } from 'vitest'
import { ExpansionFailed, expandText, expandWord, expandWords } from './expand-word.ts'

const VARIABLES: Readonly<Record<string, string>> = {
  HOME: '/home',
  EMPTY: '',
  PATHS: 'a/b/c.tar.gz',
  TWO: 'one  two',
  KOREAN: '한국어',
}
const scope = { escapeChar: '\\', lookup: (name: string) => VARIABLES[name] } as const

describe('expandWord', () => {
  // The rules of BuildKit's shell lexer (frontend/dockerfile/shell) and of POSIX, written as values.
  it.each([
    ['plain', 'plain'],
    ['$HOME', '/home'],
    ['he$HOME', 'he/home'],
    ['he${HOME}xx', 'he/homexx'],
    ['$HOME.', '/home.'],
    ['$UNSET.', '.'],
    ['$.', '$.'],
    ['he$', 'he$'],
    ['he\\$HOME', 'he$HOME'],
    ['he\\\\$HOME', 'he\\/home'],
    ["'he$HOME'", 'he$HOME'],
    ["'he\\$HOME'", 'he\\$HOME'],
    ['"he$HOME"', 'he/home'],
    ['"he\\$HOME"', 'he$HOME'],
    ['"a\\b"', 'a\\b'],
    ['"a\\"b"', 'a"b'],
    ["he'll'o", 'hello'],
    ["he\\'llo", "he'llo"],
    ['a\\bc', 'abc'],
    ['""', ''],
    ['${UNSET:-word}', 'word'],
    ['${UNSET-word}', 'word'],
    ['${EMPTY:-word}', 'word'],
    ['${EMPTY-word}', ''],
    ['${UNSET:-${HOME}}', '/home'],
    ['${UNSET:-"a b"}', 'a b'],
    ['${UNSET:-\\}}', '}'],
    ['${HOME:+set}', 'set'],
    ['${EMPTY:+set}', ''],
    ['${EMPTY+set}', 'set'],
    ['${UNSET+set}', ''],
    ['${HOME:?needed}', '/home'],
    ['${PATHS#*/}', 'b/c.tar.gz'],
    ['${PATHS##*/}', 'c.tar.gz'],
    ['${PATHS%.*}', 'a/b/c.tar'],
    ['${PATHS%%.*}', 'a/b/c'],
    ['${PATHS#nothing}', 'a/b/c.tar.gz'],
    ['${PATHS/a/x}', 'x/b/c.tar.gz'],
    ['${PATHS//a/x}', 'x/b/c.txr.gz'],
    ['${PATHS//\\//-}', 'a-b-c.tar.gz'],
    ['${PATHS/?\\/b/$HOME}', '/home/c.tar.gz'],
    ['${KOREAN}한', '한국어한'],
    ['$KOREAN한', ''],
    ['$TWO', 'one  two'],
  ])('%s gives %s', (word, expected) => {
    expect(expandWord(word, scope)).toBe(expected)
  })

  it.each(["'open", '"open', '${HOME', '${}', '${.}', '${HOME:}', '${HOME:*x}', '${UNSET:?is needed}', '${EMPTY:?}'])(
    'refuses %s',
    (word) => {
      expect(() => expandWord(word, scope)).toThrow(ExpansionFailed)
    },
  )

  it('says what a required variable says', () => {
    expect(() => expandWord('${UNSET:?give a version}', scope)).toThrow('UNSET: give a version')
  })

  it('takes the backquote as escape when the file says so', () => {
    const windows = { ...scope, escapeChar: '`' } as const
    expect(expandWord('a\\b`$HOME', windows)).toBe('a\\b$HOME')
  })
})

describe('expandWords', () => {
  it.each([
    ['a b', ['a', 'b']],
    ['$TWO', ['one', 'two']],
    ['"$TWO"', ['one  two']],
    ['a$TWO', ['aone', 'two']],
    ['$UNSET', []],
    ['""', ['']],
    ['a\\ b', ['a b']],
  ])('%s gives %j', (word, expected) => {
    expect(expandWords(word, scope)).toEqual(expected)
  })
})

describe('expandText', () => {
  it.each([
    ['"$HOME" \'$HOME\'', '"/home" \'/home\''],
    ['\\$HOME \\n', '$HOME n'],
    ['a\\\\b', 'a\\b'],
    ['end\\\nnext', 'end\nnext'],
    ['${UNSET:-"q"}', '"q"'],
    ["it's", "it's"],
  ])('leaves quotes of a here-document alone, and drops backslashes: %j gives %j', (text, expected) => {
    expect(expandText(text, scope.lookup)).toBe(expected)
  })
})
