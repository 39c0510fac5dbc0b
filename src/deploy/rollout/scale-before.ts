import type { DesiredState, Rollout, RolloutKind } from '../../model/rollout.ts'
import { isOfNumbers } from './aim.ts'

type Past = Pick<Rollout, 'kind' | 'from' | 'scaleBefore'>

/** What is known when a rollout begins. */
export interface ScaleInput {
  readonly kind: RolloutKind
  /** Revision that it would go back to. */
  readonly from: number | null
  readonly desired: Pick<DesiredState, 'revision' | 'scale'>
  /** The rollout that it takes the place of. */
  readonly superseded: Past | null
  /** Newest first. */
  readonly history: readonly Past[]
}

/**
 * Replicas by role that going back from a new rollout restores: of the wanted release where it changes numbers only, else of the
 * revision that it goes back to. While that one is the wanted one, its numbers are there to be read; a stop has written zeros over
 * them, and a rollout that left it half way has kept them.
 */
export function scaleBefore({ kind, from, desired, superseded, history }: ScaleInput): DesiredState['scale'] {
  if (superseded?.kind === 'stop') return superseded.scaleBefore ?? {}
  if (isOfNumbers({ kind }) || desired.revision === from) return desired.scale
  const left = superseded ?? history.find((past) => past.from === from && !isOfNumbers(past))
  return left?.scaleBefore ?? {}
}
