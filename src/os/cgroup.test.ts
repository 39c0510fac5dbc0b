import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { cgroupMembers, inCgroups, oomKills, restoreCgroups } from './cgroup.ts'

const HIERARCHY = ['/sys/fs/cgroup/memory', '/sys/fs/cgroup'].find((path) => existsSync(`${path}/cgroup.procs`))
const CAN = process.getuid?.() === 0 && HIERARCHY !== undefined

describe.skipIf(!CAN)('cgroups (left out where this user cannot make them)', () => {
  const folder = `${HIERARCHY}/naru-test-${process.pid}`
  afterEach(() => rmdirSync(folder))

  it('is inside while the action runs, and back home after it', () => {
    mkdirSync(folder)
    const before = readFileSync('/proc/self/cgroup', 'utf8')
    const inside = inCgroups([`${folder}/cgroup.procs`], () => cgroupMembers(`${folder}/cgroup.procs`))
    expect(inside).toContain(process.pid)
    expect(readFileSync('/proc/self/cgroup', 'utf8')).toBe(before)
    expect(cgroupMembers(`${folder}/cgroup.procs`)).toEqual([])
    expect([0, null]).toContain(oomKills(`${folder}/cgroup.procs`))
  })

  it('goes back home when the action throws', () => {
    mkdirSync(folder)
    expect(() =>
      inCgroups([`${folder}/cgroup.procs`], () => {
        throw new Error('no')
      }),
    ).toThrow('no')
    expect(cgroupMembers(`${folder}/cgroup.procs`)).toEqual([])
  })

  it('are made again where the kernel has none any more; what it lacks is left out if it may be', () => {
    const procs = `${folder}/cgroup.procs`
    const missing = { file: `${folder}/no.such.file`, value: '1', optional: true }
    restoreCgroups([procs], [{ folder }, missing])
    expect(cgroupMembers(procs)).toEqual([])
    expect(existsSync(procs)).toBe(true)
    // They are there: nothing is made.
    restoreCgroups([procs], [{ ...missing, optional: false }])
    expect(() => restoreCgroups([`${folder}/other/x`], [{ ...missing, optional: false }])).toThrow()
  })
})
