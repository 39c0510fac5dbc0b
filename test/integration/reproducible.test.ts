import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { hasBusybox } from '../../src/build/run/testing.ts'
import { run } from '../../src/os/run.ts'

const CHILD = join(import.meta.dirname, 'reproducible-child.ts')
const able = hasBusybox && process.geteuid?.() === 0

/** What a build by another user, in another folder, zone, language and with another umask gave. */
async function built(folder: string, user: string, umask: string, zone: string, language: string) {
  const args = ['--mount', '--', process.execPath, CHILD, folder, user, umask]
  const { stdout, stderr, code } = await run('unshare', args, {
    env: { PATH: process.env.PATH ?? '', TZ: zone, LC_ALL: language },
    cwd: '/',
    timeoutMs: 120_000,
    signal: new AbortController().signal,
  })
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout) as { digests: string[]; uid: number; zone: number }
}

it.skipIf(!able)(
  'the same sources give the same digest to two users, in two folders, time zones, languages and umasks, RUN included (needs root and busybox)',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'naru-same-'))
    try {
      chmodSync(folder, 0o777)
      const one = await built(folder, 'root', '077', 'Asia/Seoul', 'C')
      const other = await built(folder, 'nobody', '000', 'America/St_Johns', 'ko_KR.UTF-8')
      expect([one.uid, one.zone]).toEqual([0, -540])
      expect([other.uid, other.zone]).toEqual([65_534, 210])
      expect(one.digests.length).toBeGreaterThan(10)
      expect(other.digests).toEqual(one.digests)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  300_000,
)
