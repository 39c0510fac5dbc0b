import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const page = readFileSync(join(ROOT, 'docs/checklists/faults-and-attacks.md'), 'utf8')
const rows = [...page.matchAll(/^\| ([^|]+) \| `([^`]+)` "([^"]+)"/gm)].map(([, what = '', path = '', name = '']) => ({
  what,
  path,
  name,
}))
const wanted = [
  ...'F1 F2 F3 F5 F6 F7 F8 F9 F10 F11 F14 F15 F17 F18 F19'.split(' '),
  ...'A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A12 A13 A14 A19'.split(' '),
]

it('every fault and attack that was promised has a row', () => {
  const there = new Set(rows.flatMap(({ what }) => what.match(/[FA]\d+/g) ?? []))
  expect(wanted.filter((number) => !there.has(number))).toEqual([])
  // The heads of the tables and the lines below them.
  expect(page.split('\n').filter((line) => line.startsWith('|')).length).toBe(rows.length + 6)
})

it.each(rows)('$what: is shown by $path', ({ path, name }) => {
  expect(existsSync(join(ROOT, path)), `${path} is not there`).toBe(true)
  expect(readFileSync(join(ROOT, path), 'utf8')).toContain(name)
})
