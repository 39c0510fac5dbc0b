import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CgroupStep, makeCgroups } from '../../os/cgroup.ts'
import type { RunLimits } from '../builder.ts'
import { CGROUP_PREFIX } from './oci-runtime.ts'

const MOUNTS = '/sys/fs/cgroup'
/** Microseconds: how often a share of CPU time begins anew. */
const PERIOD = 100_000

export const NO_LIMITS: RunLimits = { memoryBytes: null, cpuMilli: null, timeoutMs: null }

/** Processes and threads of one RUN; a fork bomb ends there. */
const MOST_PROCESSES = 16_384

/** Where a sandbox without an OCI runtime is held to its limits: files to enter by, and what was asked for and cannot be limited here. */
export interface LimitedGroups {
  readonly procs: readonly string[]
  readonly missing: readonly ('memory' | 'cpu')[]
}

type Limit = { readonly name: 'memory' | 'cpu' | 'pids'; readonly files: readonly (readonly [string, string])[] }

/** Makes cgroups of a sandbox, of version 1 or 2, one for each limit. The caller sweeps them (sweepCgroups). */
export function limitGroups(id: string, limits: RunLimits): LimitedGroups {
  const procs: string[] = []
  const missing: ('memory' | 'cpu')[] = []
  for (const limit of [...memoryLimit(limits), ...cpuLimit(limits), PROCESSES]) {
    const folder = groupFolder(limit, CGROUP_PREFIX + id)
    if (folder === null || !tryMake(folder, limit)) {
      if (limit.name !== 'pids') missing.push(limit.name)
    } else if (!procs.includes(join(folder, 'cgroup.procs'))) procs.push(join(folder, 'cgroup.procs'))
  }
  return { procs, missing }
}

/** Of each controller the file of version 1, then that of version 2. */
function memoryLimit({ memoryBytes }: RunLimits): readonly Limit[] {
  if (memoryBytes === null) return []
  const text = String(memoryBytes)
  return [
    {
      name: 'memory',
      files: [
        ['memory.limit_in_bytes', text],
        ['memory.max', text],
      ],
    },
  ]
}

function cpuLimit({ cpuMilli }: RunLimits): readonly Limit[] {
  if (cpuMilli === null) return []
  const quota = Math.round((cpuMilli / 1000) * PERIOD)
  return [
    {
      name: 'cpu',
      files: [
        ['cpu.cfs_quota_us', String(quota)],
        ['cpu.max', `${quota} ${PERIOD}`],
      ],
    },
  ]
}

const PROCESSES: Limit = { name: 'pids', files: [['pids.max', String(MOST_PROCESSES)]] }

function groupFolder({ name }: Limit, group: string): string | null {
  if (existsSync(join(MOUNTS, name, 'cgroup.procs'))) return join(MOUNTS, name, group)
  return read(join(MOUNTS, 'cgroup.controllers')).split(/\s+/).includes(name) ? join(MOUNTS, group) : null
}

function tryMake(folder: string, { name, files }: Limit): boolean {
  const enable: readonly CgroupStep[] = existsSync(join(MOUNTS, 'cgroup.controllers'))
    ? [{ file: join(MOUNTS, 'cgroup.subtree_control'), value: `+${name}`, optional: true }]
    : []
  try {
    makeCgroups([...enable, { folder }])
    const [file, value] = files.find(([one]) => existsSync(join(folder, one))) ?? []
    if (file === undefined || value === undefined) return false
    makeCgroups([{ file: join(folder, file), value, optional: false }])
    return true
  } catch {
    // Not ours to make: an ordinary user's, a container's. Who asks is told that this does not hold.
    return false
  }
}

/** `linux.resources` of an OCI bundle (runtime-spec, config-linux.md "Control groups"). */
export const ociResources = ({ memoryBytes, cpuMilli }: RunLimits): object => ({
  ...(memoryBytes === null ? {} : { memory: { limit: memoryBytes } }),
  ...(cpuMilli === null ? {} : { cpu: { quota: Math.round((cpuMilli / 1000) * PERIOD), period: PERIOD } }),
  pids: { limit: MOST_PROCESSES },
})

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
