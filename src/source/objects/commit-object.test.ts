import { expect, it } from 'vitest'
import { parseCommit, tagged } from './commit-object.ts'

const TREE = 'a'.repeat(40)
const HEAD = `tree ${TREE}\nparent ${'b'.repeat(40)}\nauthor Kim <kim@example.org> 1 +0900\ncommitter Lee > <lee@example.org> 1767323045 +0900\n`
const bytes = (text: string) => Buffer.from(text, 'utf8')

it('reads the tree, the time of the commit and the subject', () => {
  expect(parseCommit(bytes(`${HEAD}\nFix the till\n\nIt was broken.\n`))).toEqual({
    tree: TREE,
    committedAtMs: 1_767_323_045_000,
    subject: 'Fix the till',
  })
})

it.each([
  ['two lines of one paragraph', '\n\n  one \ntwo\n\nthree', 'one two'],
  ['no message', '', ''],
  ['an empty message', '\n', ''],
  ['no end of line', '\nlast', 'last'],
  ['what could steer a terminal', '\na\u001b[31mb\u0007', 'a [31mb '],
  ['a long one, cut', `\n${'x'.repeat(300)}`, 'x'.repeat(200)],
  ['Hangul', '\n결제 수정\n', '결제 수정'],
])('takes as subject: %s', (_, message, subject) => {
  expect(parseCommit(bytes(HEAD + message))?.subject).toBe(subject)
})

it('reads messages in other encodings, as old Korean repositories have them', () => {
  const korean = Buffer.concat([bytes(`${HEAD}encoding EUC-KR\n\n`), Buffer.from([0xb0, 0xe1, 0xc1, 0xa6])])
  expect(parseCommit(korean)?.subject).toBe('결제')
  expect(parseCommit(bytes(`${HEAD}encoding no-such\n\nplain`))?.subject).toBe('plain')
})

it('is not misled by a signature or a message that looks like a header', () => {
  const signed = `${HEAD}gpgsig -----BEGIN\n committer X <x> 5 +0000\n tree ${'c'.repeat(40)}\n\ntree ${'d'.repeat(40)}`
  expect(parseCommit(bytes(signed))).toMatchObject({ tree: TREE, committedAtMs: 1_767_323_045_000 })
})

it('tells what is no commit, and what a tag names', () => {
  expect(parseCommit(bytes('object x\n\n'))).toBe(null)
  expect(tagged(bytes(`object ${TREE}\ntype commit\ntag v1\n\n`))).toBe(TREE)
  expect(tagged(bytes('tag v1\n'))).toBe(null)
})
