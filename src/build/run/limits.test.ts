import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { limitGroups } from '../sandbox/run-limits.ts'
import { sweepCgroups } from '../sandbox/sweep-cgroups.ts'
import { aBusyboxBuild, failure, hasBusybox } from './testing.ts'

const able = hasBusybox && process.geteuid?.() === 0
const hasRunc = ['/usr/sbin/runc', '/usr/bin/runc'].some((path) => existsSync(path))
const NONE = { memoryBytes: null, cpuMilli: null, timeoutMs: null }

function left(): readonly string[] {
  const MOUNTS = '/sys/fs/cgroup'
  const folders = ['', ...readdirSync(MOUNTS)].map((name) => join(MOUNTS, name))
  const names = folders.flatMap((folder) => {
    try {
      return readdirSync(folder)
    } catch {
      return []
    }
  })
  return names.filter((name) => name.startsWith('naru-build-') && name.includes(`${process.pid}_`))
}

/** Whether this machine lets us limit memory at all. */
async function canLimitMemory(): Promise<boolean> {
  const { missing } = limitGroups('probe', { ...NONE, memoryBytes: 2 ** 30 })
  await sweepCgroups('probe')
  return missing.length === 0
}
const canLimit = able && (await canLimitMemory())

describe.each([
  ['namespaces', { runtimes: [] }, able && canLimit],
  ['runc', { runtimes: ['runc' as const] }, able && canLimit && hasRunc],
])('a RUN by %s (needs root, busybox and cgroups that may be written)', (_name, options, here) => {
  it.skipIf(!here)('ends when it takes more memory than it may, and leaves no cgroup', async () => {
    await using build = await aBusyboxBuild(
      { Dockerfile: 'FROM busybox:1\nRUN head -c 400000000 /dev/zero | tr "\\000" x | sed "s/y/z/" > /big\n' },
      options,
    )
    const runLimits = { ...NONE, memoryBytes: 160 * 2 ** 20, timeoutMs: 120_000 }
    const failed = await failure(build, { runLimits })
    expect(failed.code).toBe('BUILD_RUN_FAILED')
    expect(failed.message).not.toContain('did not end within')
    expect(left()).toEqual([])
  })

  it.skipIf(!here)('ends as a group when it takes too long', async () => {
    await using build = await aBusyboxBuild({ Dockerfile: 'FROM busybox:1\nRUN sleep 1000 & sleep 1000\n' }, options)
    expect(await failure(build, { runLimits: { ...NONE, cpuMilli: 500, timeoutMs: 500 } })).toMatchObject({
      code: 'BUILD_RUN_FAILED',
      message: expect.stringContaining('did not end within 0.5 s'),
    })
    expect(left()).toEqual([])
  })
})
