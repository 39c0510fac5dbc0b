import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, it } from 'vitest'
import { inCgroups } from '../../../../os/cgroup.ts'
import { systemClock } from '../../../../os/system-clock.ts'
import { Cgroups } from './cgroups.ts'

const { signal } = new AbortController()
const NOTHING = { cpuRequestMilli: null, cpuLimitMilli: null, memoryRequestBytes: null, memoryLimitBytes: null }
const groups = Cgroups.open(`t${process.pid.toString(36)}`)

describe.skipIf(groups.limits.length === 0)('the groups of a data folder (left out where none can be made)', () => {
  it('at their end are waited for while a process is still on its way out', async () => {
    const { cgroups } = groups.create('shop.local.web-1-1', NOTHING)
    const folders = cgroups.map((file) => dirname(file))
    const child = inCgroups(cgroups, () => spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] }))
    const [ended] = await Promise.all([
      groups.end(systemClock, signal).then(() => folders.filter(existsSync)),
      new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
        expect(folders.every(existsSync)).toBe(true)
        child.stdin.end()
        return once(child, 'exit')
      }),
    ])
    expect(ended).toEqual([])
  })
})
