import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { run } from '../../../os/run.ts'
import { removeTree } from './layers/remove-tree.ts'
import { hasBusybox } from './testing.ts'

const isRoot = process.geteuid?.() === 0
const NOBODY = 65_534
const program = join(import.meta.dirname, 'ordinary-user', 'testing.ts')
let scratch: string
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'naru-user-'))
  chownSync(scratch, isRoot ? NOBODY : (process.geteuid?.() ?? 0), isRoot ? NOBODY : (process.getegid?.() ?? 0))
})
afterEach(() => removeTree(scratch))

/** What the program printed: see ordinary-user/testing.ts. */
async function asOrdinaryUser(isolation: string): Promise<Record<string, string>> {
  const { stdout, stderr } = await run(process.execPath, [program, join(scratch, 'naru'), isolation], {
    env: { PATH: process.env.PATH ?? '' },
    cwd: '/',
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  })
  expect(stdout, stderr).toMatch(/^\{/)
  return JSON.parse(stdout)
}
const LIMIT = '/proc/sys/user/max_user_namespaces'
const mayUnshare = existsSync(LIMIT) && Number(readFileSync(LIMIT, 'utf8')) > 0

describe.runIf(hasBusybox)('a replica of an ordinary user (needs busybox)', () => {
  it.runIf(mayUnshare)(
    'runs in a user namespace with one id, as PID 1, and says what is not limited (needs user namespaces)',
    async () => {
      const told = await asOrdinaryUser('user-namespaces')
      expect(told.isolation).toBe('user-namespaces')
      expect(told.why).toContain('namespaces: needs root')
      expect(told.stdout?.split('\n').slice(0, 5)).toEqual(['0', '1', 'new', 'hush', 'mine'])
      expect(told.stdout).toMatch(/crw-rw-rw-.*\/dev\/null/)
      expect(told.exec).toMatch(/sleep.*new$/s)
      expect(told.again).not.toContain('mine')
      expect(told.notes).toContain('memory is not limited here')
      expect(readdirSync(join(scratch, 'naru', 'replicas'))).toEqual([])
      expect(readdirSync(join(scratch, 'naru', 'layers'))).toEqual(['index.json'])
    },
  )

  it('runs without any isolation from the root folder', async () => {
    const told = await asOrdinaryUser('none')
    expect(told.isolation).toBe('none')
    expect(told.stdout?.split('\n')[0]).toBe(`${isRoot ? NOBODY : process.geteuid?.()}`)
    expect(told.relative).toBe('new')
    expect(readdirSync(join(scratch, 'naru', 'replicas'))).toEqual([])
  })
})
