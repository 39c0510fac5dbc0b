import type { Happening } from '../../model/event.ts'
import type { ObservedReplica } from '../../model/observed.ts'

/** What happened to replicas between two snapshots, for people: became ready, exited with code 1, gone. */
export function replicaChanges(
  before: readonly ObservedReplica[],
  after: readonly ObservedReplica[],
): Extract<Happening, { kind: 'replica' }>[] {
  const earlier = new Map(before.map((replica) => [replica.id, replica]))
  return after.flatMap((now) => {
    const was = earlier.get(now.id)
    return changesOf(was, now).map((change) => ({
      kind: 'replica' as const,
      replica: now.id,
      role: now.role,
      revision: now.revision,
      change,
      cut: now.phase === 'Exited' && was?.phase !== 'Exited' ? (now.lastExit?.cut ?? 0) : 0,
    }))
  })
}

function changesOf(was: ObservedReplica | undefined, now: ObservedReplica): string[] {
  const changes: string[] = []
  const crashed = now.restarts > (was?.restarts ?? 0)
  const ended = now.phase === 'Exited' && was?.phase !== 'Exited'
  if (crashed || ended) changes.push(exitText(now))
  if (now.ready && !was?.ready) changes.push('ready')
  if (was?.ready && !now.ready && now.phase === 'Running') changes.push('no longer ready')
  return changes
}

function exitText({ lastExit }: ObservedReplica): string {
  if (lastExit === null || !lastExit.known) return 'exited, the code is unknown'
  if (lastExit.outOfMemory) return 'killed: out of memory'
  if (lastExit.signal !== null) return `exited by ${lastExit.signal}`
  return `exited with code ${lastExit.code}`
}
