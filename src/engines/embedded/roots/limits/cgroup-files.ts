import type { Resources } from '../../../../model/app.ts'

/** Files of a cgroup and what is written into them; `optional`: a kernel may lack it. */
export interface CgroupSetting {
  readonly controller: 'memory' | 'cpu' | 'pids'
  readonly file: string
  readonly value: string
  readonly optional: boolean
}

/** Beyond any sane program and far below what stops a machine: a fork bomb ends here (F11). */
const MOST_TASKS = 16_384
const PERIOD_US = 100_000

/** A replica's limits as cgroup settings: memory without swap, the cpu request as a weight, only `limits.cpu` as a cap. */
export function cgroupSettings(version: 1 | 2, resources: Resources): readonly CgroupSetting[] {
  const { memoryLimitBytes: memory, cpuLimitMilli: cap, cpuRequestMilli: request } = resources
  const set = (controller: CgroupSetting['controller'], file: string, value: number | string, optional = false) => ({
    controller,
    file: `${controller}.${file}`,
    value: `${value}`,
    optional,
  })
  const shares = request === null ? null : Math.min(262_144, Math.max(2, Math.round((request * 1024) / 1000)))
  const quota = cap === null ? null : Math.max(1000, Math.round((cap * PERIOD_US) / 1000))
  const v1 = [
    ...(memory === null
      ? []
      : [set('memory', 'limit_in_bytes', memory), set('memory', 'memsw.limit_in_bytes', memory, true)]),
    ...(shares === null ? [] : [set('cpu', 'shares', shares)]),
    ...(quota === null ? [] : [set('cpu', 'cfs_period_us', PERIOD_US), set('cpu', 'cfs_quota_us', quota)]),
  ]
  const v2 = [
    ...(memory === null
      ? []
      : [set('memory', 'max', memory), set('memory', 'swap.max', 0, true), set('memory', 'oom.group', 1, true)]),
    // The kernel's own conversion of shares (2 to 262144) to weights (1 to 10000), as runc has it.
    ...(shares === null ? [] : [set('cpu', 'weight', 1 + Math.floor(((shares - 2) * 9999) / 262_142))]),
    ...(quota === null ? [] : [set('cpu', 'max', `${quota} ${PERIOD_US}`)]),
  ]
  return [...(version === 1 ? v1 : v2), set('pids', 'max', MOST_TASKS, true)]
}
