import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { FAILURES } from '../../src/model/failure.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/errors.md'), 'utf8')
const sections = [...page.matchAll(/^### (\w+)\n(.*)$/gm)]

it('documents every failure code, and no other', () => {
  expect(sections.map(([, code]) => code).sort()).toEqual(Object.keys(FAILURES).sort())
})

it('says something about each', () => {
  expect(sections.filter(([, , text]) => (text ?? '').length < 20).map(([, code]) => code)).toEqual([])
})
