import { readFileSync } from 'node:fs'

/**
 * What tells one process from any other that ever had its pid: boot, pid and start time (in clock ticks since boot). A pid
 * alone may have been given to somebody else.
 */
export interface ProcessIdentity {
  readonly bootId: string
  readonly pid: number
  readonly startTicks: number
}

/** One row of /proc/PID/stat (proc(5)). */
export interface ProcessStat {
  readonly pid: number
  readonly state: string
  readonly parent: number
  readonly group: number
  readonly session: number
  readonly startTicks: number
}

let boot: string | undefined
/** The boot id of this kernel. */
export function bootId(): string {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return boot
}

/** The identity of a live process, or null when there is none: a zombie counts as dead (reference/libraries.md 8a). */
export function identify(pid: number): ProcessIdentity | null {
  const stat = readStat(pid)
  return stat === null || isDead(stat) ? null : { bootId: bootId(), pid, startTicks: stat.startTicks }
}

/** The identity of a child that was started just now and is not reaped yet: it has one even when it has ended already. */
export function identifyChild(pid: number): ProcessIdentity | null {
  const stat = readStat(pid)
  return stat === null ? null : { bootId: bootId(), pid, startTicks: stat.startTicks }
}

/** Whether exactly this process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = identify(identity.pid)
  return now !== null && now.bootId === identity.bootId && now.startTicks === identity.startTicks
}

/** Sends a signal to exactly this process. False: it is gone. `group`: to the process group that it leads. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals, group = false): boolean {
  if (!isAlive(identity)) return false
  try {
    process.kill(group ? -identity.pid : identity.pid, signal)
    return true
  } catch (failed) {
    if ((failed as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw failed
  }
}

/** A zombie or a process that is just going away. */
export const isDead = (stat: ProcessStat): boolean => stat.state === 'Z' || stat.state === 'X'

/** What the kernel says about a pid now, or null when there is no such process. */
export function readStat(pid: number): ProcessStat | null {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return null
  }
  // The name stands in parentheses and may hold anything, also spaces and parentheses: fields are counted after the last one (proc(5)).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return {
    pid,
    state: fields[0] ?? 'X',
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
  }
}
