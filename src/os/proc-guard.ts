import { existsSync } from 'node:fs'

/** What of /proc a root user may write and so reach the whole machine, also without capabilities (core_pattern, sysrq); runc's list. */
export const READ_ONLY_PROC = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'] as const

/** Those of them that this kernel has, as paths. */
export const readOnlyProc = (): readonly string[] =>
  READ_ONLY_PROC.map((name) => `/proc/${name}`).filter((path) => existsSync(path))
