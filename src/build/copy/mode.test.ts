import { describe, expect, it } from 'vitest'
import { readMode } from './mode.ts'

const place = { file: 'Dockerfile', line: 2, column: 1 }

describe('--chmod', () => {
  it.each([
    ['755', 0o644, false, 0o755],
    ['0644', 0o755, true, 0o644],
    ['4750', 0o600, false, 0o4750],
    ['u=rwX,go=rX', 0o600, false, 0o644],
    ['u=rwX,go=rX', 0o600, true, 0o755],
    ['u=rwX,go=rX', 0o700, false, 0o755],
    ['go-r', 0o644, false, 0o600],
    ['u+s,g=w,+x', 0o644, false, 0o4735],
    ['a+x', 0o644, false, 0o755],
    ['+t', 0o755, true, 0o1755],
    ['g=u', 0o640, false, 0o660],
    ['o=', 0o777, false, 0o770],
    ['ug+rw-x', 0o111, false, 0o661],
  ])('%s makes of %o (folder: %s) %o', (text, before, isFolder, after) => {
    expect(readMode(text, place).change(before, isFolder)).toBe(after)
  })

  it.each(['', 'rwx', 'u', '888', 'u=q', 'u=r,,g=r', '77777'])('%j is refused with its place', (text) => {
    expect(() => readMode(text, place)).toThrow('Dockerfile:2:1: --chmod=')
  })
})
