import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, relative } from 'node:path'

/**
 * Runs `action` while this process is in these cgroups (paths of `cgroup.procs`), then goes back to where it was. What
 * `action` starts is in them from its first instruction: no window in which it could use memory outside its limit. Charges
 * do not move with a process, neither in v1 (by default) nor in v2. `action` must be synchronous.
 */
export function inCgroups<T>(procsFiles: readonly string[], action: () => T): T {
  if (procsFiles.length === 0) return action()
  const homes = procsFiles.map(homeIn)
  try {
    for (const file of procsFiles) writeFileSync(file, '0')
    return action()
  } finally {
    for (const home of homes) if (home !== null) writeFileSync(home, '0')
  }
}

/** How a cgroup is made: folders, and what is written into files. A file may be one that a kernel lacks or refuses (`optional`). */
export type CgroupStep =
  | { readonly folder: string }
  | { readonly file: string; readonly value: string; readonly optional: boolean }

/** Makes cgroups with their limits. Safe twice. */
export function makeCgroups(steps: readonly CgroupStep[]): void {
  for (const step of steps) {
    if ('folder' in step) {
      mkdirSync(step.folder, { recursive: true })
      continue
    }
    try {
      writeFileSync(step.file, step.value)
    } catch (failed) {
      if (!step.optional) throw failed
    }
  }
}

/** Makes them again where the kernel has none: they do not outlive it. */
export function restoreCgroups(procsFiles: readonly string[], steps: readonly CgroupStep[]): void {
  if (!procsFiles.every((file) => existsSync(file))) makeCgroups(steps)
}

/** The pids in a cgroup; an empty list when it is gone. */
export function cgroupMembers(procsFile: string): number[] {
  try {
    return readFileSync(procsFile, 'utf8').split('\n').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** How often the kernel killed for want of memory in this cgroup (v2 memory.events, v1 memory.oom_control); null: no memory controller there. */
export function oomKills(procsFile: string): number | null {
  for (const name of ['memory.events', 'memory.oom_control']) {
    try {
      const count = /^oom_kill (\d+)$/m.exec(readFileSync(`${dirname(procsFile)}/${name}`, 'utf8'))?.[1]
      if (count !== undefined) return Number(count)
    } catch {
      // the other version of cgroups, or another controller
    }
  }
  return null
}

/** This process's own `cgroup.procs` in the hierarchy that holds `procsFile`; null when that is no mounted hierarchy. */
function homeIn(procsFile: string): string | null {
  const mount = cgroupMounts()
    .filter(({ point }) => procsFile.startsWith(`${point}/`))
    .sort((a, b) => b.point.length - a.point.length)[0]
  if (mount === undefined) return null
  for (const line of readFileSync('/proc/self/cgroup', 'utf8').split('\n').filter(Boolean)) {
    const [, controllers = '', ...rest] = line.split(':')
    const names = controllers.split(',')
    const mine = mount.type === 'cgroup2' ? controllers === '' : names.every((name) => mount.options.includes(name))
    if (mine) return `${mount.point}/${relative(mount.root, rest.join(':'))}/cgroup.procs`.replace('//', '/')
  }
  return null
}

function cgroupMounts(): { point: string; root: string; type: string; options: readonly string[] }[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [before = '', after = ''] = line.split(' - ')
      const [, , , root = '/', point = ''] = before.split(' ')
      const [type = '', , options = ''] = after.split(' ')
      return type === 'cgroup' || type === 'cgroup2' ? [{ point, root, type, options: options.split(',') }] : []
    })
}
