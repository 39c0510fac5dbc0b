import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findProgram, isProgram, pathFolders, toolFolders } from './find-program.ts'

describe('a program of this machine', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'naru-path-'))
    for (const name of ['first', 'second', 'second/a-folder']) mkdirSync(join(folder, name))
    for (const [name, mode] of [
      ['first/plain', 0o644],
      ['second/plain', 0o755],
      ['second/both', 0o755],
      ['first/both', 0o755],
    ] as const) {
      writeFileSync(join(folder, name), '')
      chmodSync(join(folder, name), mode)
    }
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it.each([
    ['of the first folder that has it', 'both', 'first/both'],
    ['not a file that may not be run', 'plain', 'second/plain'],
    ['not a folder', 'a-folder', null],
    ['nothing where there is none', 'none', null],
  ])('is found: %s', (_, name, expected) => {
    const found = findProgram(name, [join(folder, 'first'), join(folder, 'second'), join(folder, 'gone')])
    expect(found).toBe(expected === null ? null : join(folder, expected))
    expect(isProgram(join(folder, expected ?? 'second/a-folder'))).toBe(expected !== null)
  })

  it('is never looked for in the folder that one happens to be in', () => {
    expect(pathFolders(':.:bin:/usr/bin')).toEqual(['/usr/bin'])
    expect(toolFolders('.')).not.toContain('.')
    expect(toolFolders('/opt/bin')[0]).toBe('/opt/bin')
  })
})
