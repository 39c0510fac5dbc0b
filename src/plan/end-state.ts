import type { Observed } from '../model/observed.ts'
import type { Running } from '../model/receipt.ts'
import type { EndState } from '../model/rollout.ts'

/** What runs, by role and revision; replicas that were told to go are not in it. */
export function whatRuns({ replicas }: Observed): readonly Running[] {
  const running = new Map<string, Running>()
  for (const { role, revision, phase, ready } of replicas) {
    if (phase !== 'Pending' && phase !== 'Running') continue
    const key = `${role} ${revision}`
    const same = running.get(key) ?? { role, revision, replicas: 0, ready: 0 }
    running.set(key, { ...same, replicas: same.replicas + 1, ready: same.ready + (ready ? 1 : 0) })
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
