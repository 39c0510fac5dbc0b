import type { Observed } from '../model/observed.ts'
import type { EndState } from '../model/rollout.ts'

/** How many replicas of a role run which revision: the list that goes with `mixed`. */
export interface Running {
  readonly role: string
  readonly revision: number
  readonly replicas: number
}

/** What runs, by role and revision; replicas that were told to go are not in it. */
export function whatRuns({ replicas }: Observed): readonly Running[] {
  const running = new Map<string, Running>()
  for (const { role, revision, phase } of replicas) {
    if (phase !== 'Pending' && phase !== 'Running') continue
    const key = `${role} ${revision}`
    running.set(key, { role, revision, replicas: (running.get(key)?.replicas ?? 0) + 1 })
  }
  return [...running.values()].sort((a, b) => (a.role < b.role ? -1 : a.role > b.role ? 1 : a.revision - b.revision))
}

/**
 * The end state of a rollout (model/rollout.ts EndState). `arrived`: the planner found the new revision complete. `from` null: nothing ran
 * before, so nothing running is all-old. New replicas alone that did not all become available are mixed: not what was wanted,
 * and not what was there.
 */
export function endStateOf(observed: Observed, from: number | null, arrived: boolean): EndState {
  if (arrived) return 'all-new'
  const running = whatRuns(observed)
  const isOld = from === null ? running.length === 0 : running.length > 0 && running.every((r) => r.revision === from)
  return isOld ? 'all-old' : 'mixed'
}
