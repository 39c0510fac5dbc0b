import { readdirSync, readFileSync } from 'node:fs'
import { isDead, type ProcessStat, readStat } from './process-identity.ts'

/** All live processes that this user can see; zombies are left out. */
export function listProcesses(): ProcessStat[] {
  const found: ProcessStat[] = []
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    const stat = readStat(pid)
    if (stat !== null && !isDead(stat)) found.push(stat)
  }
  return found
}

/** A process and everything below it in the table, by parent. */
export function withDescendants(table: readonly ProcessStat[], root: number): ProcessStat[] {
  const wanted = new Set([root])
  // A child may stand before its parent in the table: go through it until nothing is added.
  for (let size = 0; size !== wanted.size; ) {
    size = wanted.size
    for (const { pid, parent } of table) if (wanted.has(parent)) wanted.add(pid)
  }
  return table.filter(({ pid }) => wanted.has(pid))
}

/** Whether a process was started with this `NAME=value` in its environment; false where it cannot be read. */
export function hasEnvironment(pid: number, entry: string): boolean {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'utf8')}`.includes(`\0${entry}\0`)
  } catch {
    return false
  }
}

/** Whether a process has a handler of its own for a signal (SigCgt of proc(5)). */
export function catchesSignal(pid: number, signal: number): boolean {
  try {
    const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0'
    return ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n
  } catch {
    return false
  }
}
