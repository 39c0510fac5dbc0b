import { DeployError } from '../model/failure.ts'
import type { Rollout } from '../model/rollout.ts'

/** What of a rollout matters for going back. Histories are newest first. */
export type Past = Pick<Rollout, 'kind' | 'to' | 'from' | 'endState'>

const arrivals = (history: readonly Past[]): readonly number[] =>
  history.filter(({ kind, endState }) => kind !== 'stop' && endState === 'all-new').map(({ to }) => to)

/** The revision that ended all-new last: stable, and what a failed rollout goes back to; null: none ever did. A stop leaves nothing to go back to. */
export function lastAllNew(history: readonly Past[]): number | null {
  const last = history.find(({ endState }) => endState === 'all-new')
  return last === undefined || last.kind === 'stop' ? null : last.to
}

/** Where `naru rollback` goes by default: the last other revision that ended all-new and is still there; null: there is none. */
export function whereBack({ history, revisions, current }: Omit<RollbackRequest, 'wanted'>): number | null {
  return arrivals(history).find((revision) => revision !== current && revisions.includes(revision)) ?? null
}

/** What is known when somebody wants to go back. */
export interface RollbackRequest {
  readonly history: readonly Past[]
  /** Revisions whose releases are still there. */
  readonly revisions: readonly number[]
  /** The wanted revision now; null: nothing runs, so that the last one that did is an other one. */
  readonly current: number | null
  /** What the user asked for; null: nothing. */
  readonly wanted: number | null
}

/**
 * The revision that a rollback moves to. Throws RELEASE_NOT_FOUND for one that is not there (any more), NOTHING_TO_ROLL_BACK
 * where it is wanted already or no other one ended all-new.
 */
export function planRollback({ history, revisions, current, wanted }: RollbackRequest): number {
  if (wanted === null) {
    const found = whereBack({ history, revisions, current })
    if (found !== null) return found
    throw new DeployError('NOTHING_TO_ROLL_BACK', `no ${current === null ? '' : 'other '}revision ended all-new`, {
      hint: 'Name one with: naru rollback N. Those that there are: naru history.',
    })
  }
  if (wanted === current)
    throw new DeployError('NOTHING_TO_ROLL_BACK', `revision ${wanted} is already the wanted one`, {
      hint: 'Name another one with: naru rollback N. Those that there are: naru history.',
      detail: { revision: wanted },
    })
  if (revisions.includes(wanted)) return wanted
  throw new DeployError('RELEASE_NOT_FOUND', `there is no release of revision ${wanted}`, {
    hint:
      revisions.length === 0
        ? 'Nothing was deployed here yet: naru deploy.'
        : `There are ${[...revisions].sort((a, b) => a - b).join(', ')}: naru history.`,
    detail: { revision: wanted },
  })
}
