import { describe, expect, it } from 'vitest'
import { checkRef, meaningOf, refNotFound } from './git-ref.ts'

const [A, B, C] = ['a', 'b', 'c'].map((digit) => digit.repeat(40)) as [string, string, string]
const refs = [
  { name: 'HEAD', commit: A },
  { name: 'refs/heads/main', commit: A },
  { name: 'refs/tags/v1', commit: B },
  { name: 'refs/tags/main', commit: A },
  { name: 'refs/heads/both', commit: A },
  { name: 'refs/tags/both', commit: B },
  { name: 'refs/remotes/origin/main', commit: C },
  { name: 'refs/heads/deadbeef', commit: C },
]

describe('a ref', () => {
  it.each([
    'main',
    'feature/x',
    'v1.2.3',
    'refs/heads/main',
    '안녕',
    'HEAD',
    A,
    'a',
    '1',
    'x@y',
    "it's",
    '$(touch)',
    '`x`',
    'a;b',
    'a|b',
  ])('%j may be one', (ref) => expect(checkRef(ref)).toBe(ref))

  it.each([
    '',
    '-h',
    '--upload-pack=x',
    '-',
    '@',
    'a..b',
    'a~1',
    'a^',
    'a:b',
    'a?',
    'a*',
    'a[b',
    'a\\b',
    'a b',
    'a\nb',
    'a\u0000',
    '.a',
    'a/.b',
    'a.lock',
    'a.lock/b',
    '/a',
    'a/',
    'a//b',
    'a.',
    'a@{1}',
    'x'.repeat(256),
    '\u007f',
  ])('%j is refused', (ref) => {
    expect(() => checkRef(ref)).toThrow(expect.objectContaining({ code: 'SOURCE_REF_INVALID' }))
  })

  it.each([
    ['nothing means HEAD', null, { kind: 'commit', commit: A }],
    ['a branch', 'deadbeef', { kind: 'commit', commit: C }],
    ['a tag', 'v1', { kind: 'commit', commit: B }],
    ['a branch and a tag of the same commit', 'main', { kind: 'commit', commit: A }],
    ['a full name', 'refs/tags/both', { kind: 'commit', commit: B }],
    ['a remote-tracking branch', 'origin/main', { kind: 'commit', commit: C }],
    ['a full commit id', B.toUpperCase(), { kind: 'commit', commit: B }],
    ['a full commit id of SHA-256', 'd'.repeat(64), { kind: 'commit', commit: 'd'.repeat(64) }],
    ['a short commit id', 'ABCDEF1', { kind: 'short', prefix: 'abcdef1' }],
    ['too short for an id', 'abc', { kind: 'unknown' }],
    ['nothing that is there', 'other', { kind: 'unknown' }],
  ])('%s', (_name, ref, meaning) => expect(meaningOf(ref, refs)).toEqual(meaning))

  it('is refused when it is a branch and a tag of different commits', () => {
    expect(() => meaningOf('both', refs)).toThrow(expect.objectContaining({ code: 'SOURCE_REF_INVALID' }))
  })

  it('that is not there brings names that are', () => {
    const many = Array.from({ length: 8 }, (_, i) => ({ name: `refs/heads/topic-${i}`, commit: A }))
    expect(refNotFound('mian', 'url', refs).hint).toBe('Did you mean main?')
    expect(refNotFound('something-else', 'url', many).hint).toBe(
      'It has topic-0, topic-1, topic-2, topic-3, topic-4 and 3 more. Has the commit been pushed?',
    )
    expect(refNotFound(null, 'url', []).hint).toBe('Commit something first.')
  })
})
