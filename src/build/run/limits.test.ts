import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { canLimitMemory, cgroupsOf } from '../sandbox/testing.ts'
import { aBusyboxBuild, hasBusybox } from './testing.ts'

const able = hasBusybox && process.geteuid?.() === 0 && (await canLimitMemory())
const hasRunc = ['/usr/sbin/runc', '/usr/bin/runc'].some((path) => existsSync(path))
const MOUNT = '/sys/fs/cgroup'
/** Of version 1, then of version 2. */
const FILES = {
  memory: ['memory/ID/memory.limit_in_bytes', 'ID/memory.max'],
  cpu: ['cpu/ID/cpu.cfs_quota_us', 'ID/cpu.max'],
  pids: ['pids/ID/pids.max', 'ID/pids.max'],
  members: ['pids/ID/cgroup.procs', 'ID/cgroup.procs'],
} as const

/** What the kernel has of the RUN of this process; members may be in cgroups below. */
function held(): Readonly<Record<keyof typeof FILES, string>> {
  const [id = ''] = cgroupsOf(process.pid)
  const read = (paths: readonly string[]) => {
    const there = paths.map((path) => join(MOUNT, path.replace('ID', id))).find((path) => existsSync(path))
    return there === undefined ? 'not there' : readFileSync(there, 'utf8').trim()
  }
  const [memory, cpu, pids, members] = [FILES.memory, FILES.cpu, FILES.pids, FILES.members].map(read)
  return { memory: memory ?? '', cpu: cpu ?? '', pids: pids ?? '', members: members ?? '' }
}

describe.each([
  ['namespaces', { runtimes: [] }, able],
  ['runc', { runtimes: ['runc' as const] }, able && hasRunc],
])('a RUN by %s (needs root, busybox and cgroups that may be written)', (_name, options, here) => {
  it.skipIf(!here)('is held to its limits by the kernel while it runs, and leaves no cgroup', async () => {
    await using build = await aBusyboxBuild({ Dockerfile: 'FROM busybox:1\nRUN echo started; sleep 1000\n' }, options)
    const canceling = new AbortController()
    const seen: ReturnType<typeof held>[] = []
    const tell = ({ kind, line }: { readonly kind: string; readonly line?: string }) => {
      if (kind !== 'log' || line !== 'started') return
      seen.push(held())
      canceling.abort()
    }
    const runLimits = { memoryBytes: 160 * 2 ** 20, cpuMilli: 500, timeoutMs: null }
    await expect(build.run({ runLimits }, { signal: canceling.signal, tell })).rejects.toThrow('abort')
    expect(seen).toEqual([
      {
        memory: String(160 * 2 ** 20),
        cpu: expect.stringMatching(/^50000( 100000)?$/),
        pids: '16384',
        members: expect.stringMatching(/^\d+/),
      },
    ])
    expect(cgroupsOf(process.pid)).toEqual([])
    expect(readdirSync(join(build.cacheFolder, 'sandbox', 'work'))).toEqual([])
  })
})
