import { expect, it } from 'vitest'
import { columns, cutToWidth, joinFields } from './columns.ts'
import { printable, printableLog } from './printable.ts'
import { bytesText, commitText, durationText } from './quantities.ts'

it.each([
  [0, '0 ms'],
  [999, '999 ms'],
  [6200, '6.2 s'],
  [59_960, '1 min'],
  [125_000, '2 min 5 s'],
  [3_600_000, '1 h'],
  [11_400_000, '3 h 10 min'],
  [180_000_000, '2 d 2 h'],
])('%d ms are %s', (ms, text) => expect(durationText(ms)).toBe(text))

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [9728, '9.5 KiB'],
  [125_829_120, '120 MiB'],
])('%d bytes are %s', (bytes, text) => expect(bytesText(bytes)).toBe(text))

it.each([
  [null, null, null],
  ['9f2c1ab0000', 'A "b"', '9f2c1ab "A "b""'],
  ['9f2c1ab0000', null, '9f2c1ab'],
])('shows the commit %j %j as %j', (commit, subject, text) => expect(commitText(commit, subject)).toBe(text))

it('aligns columns by the width that a terminal shows', () => {
  expect(
    columns(
      ['app', 'n'],
      [
        ['나루', '1'],
        ['shop', '22'],
      ],
    ),
  ).toEqual(['app   n', '나루  1', 'shop  22'])
})

it('breaks between fields only, and cuts what cannot fit', () => {
  expect(joinFields(['aaaa', null, 'bbbb', 'cccc'], 12)).toEqual(['aaaa   bbbb', '    cccc'])
  expect(cutToWidth('나루나루', 5)).toBe('나루…')
})

it('takes what steers a terminal out of texts, and leaves log colours', () => {
  expect(printable({ subject: '\u001b[2Jgone\u0007\t!', list: ['a\rb\nc'] })).toEqual({
    subject: 'gone    !',
    list: ['ab\nc'],
  })
  expect(printableLog('\u001b[31mred\u001b[0m\u001b]0;title\u0007\u001b[2J')).toBe('\u001b[31mred\u001b[0m]0;title[2J')
})
