import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { run } from '../../os/run.ts'
import { hasBusybox } from '../run/testing.ts'
import { hasSubordinateIds } from './subordinate-ids.ts'

const able = hasBusybox && process.geteuid?.() === 0
const NOBODY = 65_534
const CHILD = join(import.meta.dirname, 'testing-user.ts')

/** Builds as nobody, in a mount namespace whose /etc/subuid and /etc/subgid say what is given. */
async function asNobody(table: string): Promise<{ readonly told: string; readonly stderr: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'naru-run-user-'))
  try {
    chownSync(folder, NOBODY, NOBODY)
    const args = ['--mount', '--', process.execPath, CHILD, folder, table]
    const { stdout, stderr } = await run('unshare', args, {
      env: { PATH: process.env.PATH ?? '' },
      cwd: '/',
      timeoutMs: 60_000,
      signal: new AbortController().signal,
    })
    return { told: stdout, stderr }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

describe.skipIf(!able)('RUN of an ordinary user (needs root to become one, and busybox)', () => {
  it('has all ids of an image by subordinate ids, and leaves the layer that root leaves', async () => {
    const { told, stderr } = await asNobody('nobody:300000:65536')
    expect(told, stderr).toMatch(/^\{/)
    expect(JSON.parse(told)).toEqual({
      files: {
        'old/.wh.a': 'f 0 0:0 ',
        'd/own': 'f 600 1000:1001 own\n',
        'd/set': 'f 4755 0:0 ',
        d: 'd 700 1000:2000',
        'etc/ssl/certs/ca-certificates.crt': 'f 644 0:0 own\n',
        id: 'f 644 0:0 0\n1000\n',
        old: 'd 755 0:0',
        copied: 'f 600 1000:1001 own\n',
      },
      left: [],
    })
  })

  it('is refused without them, and told how to get them', async () => {
    const { told } = await asNobody('')
    expect(told).toContain('ISOLATION_UNAVAILABLE')
    expect(told).toContain('/etc/subuid has no 65535 ids for nobody')
    expect(told).toContain('usermod --add-subuids')
  })
})

describe('hasSubordinateIds', () => {
  it.each([
    ['kim:100000:65536', true],
    ['1000:100000:65535', true],
    ['kim:100000:65534', false],
    ['lee:100000:65536', false],
    ['kim:x:65536', false],
    ['', false],
  ])('%j: %s', (table, expected) => {
    expect(hasSubordinateIds(`a:1:2\n${table}\n`, { name: 'kim', uid: 1000 })).toBe(expected)
  })
})
