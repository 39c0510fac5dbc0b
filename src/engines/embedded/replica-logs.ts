import { mkdirSync, readdirSync, watch } from 'node:fs'
import { join } from 'node:path'
import { Signal } from '../../lib/signal.ts'
import type { LogLine } from '../engine.ts'
import { LogReader } from './log-reader.ts'

/** Role and revision of a replica by its name (`web-42-1`; `migrate-42` has no role); null: no replica's name. */
export function parseReplicaName(name: string): { readonly role: string | null; readonly revision: number } | null {
  const replica = /^(.+)-(\d+)-\d+$/.exec(name)
  if (replica !== null) return { role: replica[1] ?? '', revision: Number(replica[2]) }
  const migration = /^migrate-(\d+)$/.exec(name)
  return migration === null ? null : { role: null, revision: Number(migration[1]) }
}

/** Whether it is the name of a replica, and not that of a migration. */
export const isReplicaName = (name: string): boolean => parseReplicaName(name)?.role != null

/** Lines of every log in the folder that `wanted` takes, old ones from the `tail` on, new ones from their beginning. */
export async function* readLogs(
  folder: string,
  wanted: (replica: string) => boolean,
  options: { readonly follow: boolean; readonly tail: number },
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const changed = new Signal()
  const dirty = new Set<string>()
  // Watched before the first look, so that nothing written in between is missed.
  const watcher = watch(folder, (_event, name) => {
    const replica = name === null ? null : replicaOfFile(name)
    if (replica !== null) dirty.add(replica)
    changed.notify()
  })
  try {
    const readers = new Map<string, LogReader>()
    const read = function* (replica: string, tail: number): Generator<LogLine> {
      const reader = readers.get(replica) ?? new LogReader(join(folder, `${replica}.log`), tail)
      readers.set(replica, reader)
      for (const line of reader.lines()) yield { replica, line }
    }
    let mark = changed.mark
    for (const replica of loggedReplicas(folder).filter(wanted)) yield* read(replica, options.tail)
    while (options.follow && !signal.aborted) {
      await changed.wait(mark, Number.POSITIVE_INFINITY, signal).catch(() => {})
      mark = changed.mark
      const now = [...dirty].filter(wanted)
      dirty.clear()
      for (const replica of now) yield* read(replica, Number.POSITIVE_INFINITY)
    }
    for (const [replica, reader] of readers) {
      const line = reader.unfinished()
      if (line !== null) yield { replica, line }
    }
  } finally {
    watcher.close()
  }
}

const replicaOfFile = (name: string): string | null => (name.endsWith('.log') ? name.slice(0, -'.log'.length) : null)

/** Names of the replicas that have a log in the folder, sorted. */
export function loggedReplicas(folder: string): string[] {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return readdirSync(folder)
    .flatMap((name) => replicaOfFile(name) ?? [])
    .sort()
}
