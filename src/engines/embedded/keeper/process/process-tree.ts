import { constants } from 'node:os'
import type { Clock } from '../../../../lib/clock.ts'
import { cgroupMembers } from '../../../../os/cgroup.ts'
import { isAlive, type ProcessIdentity, type ProcessStat, readStat } from '../../../../os/process-identity.ts'
import { catchesSignal, hasEnvironment, listProcesses, withDescendants } from '../../../../os/process-table.ts'
import { backoff } from '../../../../lib/backoff.ts'

/** What belongs to one start of a launch: how its processes are found, also when the first one is gone. */
export interface ProcessTree {
  readonly root: ProcessIdentity
  /** `NAME=value` that every process of it was started with, unless it changed its environment. */
  readonly mark: string
  readonly cgroups: readonly string[]
}

/** The variable that marks a start. The program sees it; it tells nothing. */
export const MARK_NAME = 'NARU_START'

/**
 * Every live process of a tree: descendants of its root, members of the root's session and group, members of its cgroups, and
 * whatever carries its mark (a daemon that left all of these).
 */
export function treeMembers(tree: ProcessTree): ProcessStat[] {
  const table = listProcesses()
  // The kernel gives a pid to nobody while a group or session of that number has members: if somebody else has it, nothing is left.
  const now = readStat(tree.root.pid)
  const recycled = now !== null && now.startTicks !== tree.root.startTicks
  const members = new Set(recycled ? [] : withDescendants(table, tree.root.pid).map(({ pid }) => pid))
  for (const pid of tree.cgroups.flatMap(cgroupMembers)) members.add(pid)
  for (const { pid, group, session, startTicks } of table) {
    const ofSession = !recycled && (group === tree.root.pid || session === tree.root.pid)
    if (startTicks >= tree.root.startTicks && (ofSession || hasEnvironment(pid, tree.mark))) members.add(pid)
  }
  members.delete(process.pid)
  return table.filter(({ pid }) => members.has(pid))
}

/** SIGKILL to all of a tree, until nothing of it is left. Answers false when something is left after `timeoutMs`. */
export async function killTree(
  tree: ProcessTree,
  timeoutMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  const deadline = clock.monotonic() + timeoutMs
  for (const delay of backoff(5, 100)) {
    const members = treeMembers(tree)
    if (members.length === 0) return true
    for (const { pid } of members) kill(pid, 'SIGKILL')
    if (clock.monotonic() > deadline) return false
    await clock.sleep(delay, signal)
  }
  return true
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (failed) {
    // EPERM: a program that changed its user; its cgroup or namespace is what is left to end it.
    const { code } = failed as NodeJS.ErrnoException
    if (code !== 'ESRCH' && code !== 'EPERM') throw failed
  }
}

/** The process that is the program: the root, or its only child. null: not there (yet). */
export function programOf(root: ProcessIdentity, signalTo: 'child' | 'grandchild'): number | null {
  if (!isAlive(root)) return null
  if (signalTo === 'child') return root.pid
  return listProcesses().find(({ parent }) => parent === root.pid)?.pid ?? null
}

/**
 * Sends the stop signal to the program. False: it would have no effect yet. The first process of a pid namespace is spared
 * every signal that it has no handler for (pid_namespaces(7)), so one that is still starting would never hear of it.
 */
export function sendStopSignal(
  root: ProcessIdentity,
  signalTo: 'child' | 'grandchild',
  signal: NodeJS.Signals,
): boolean {
  const pid = programOf(root, signalTo)
  if (pid === null || (signalTo === 'grandchild' && !catchesSignal(pid, constants.signals[signal]))) return false
  kill(pid, signal)
  return true
}

/** The session leader that carries the mark: what a killed keeper had started and not yet written down. */
export function findMarked(mark: string): number | null {
  return listProcesses().find(({ pid, session }) => pid === session && hasEnvironment(pid, mark))?.pid ?? null
}
