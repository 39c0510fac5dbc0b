import type { EndState, RolloutKind } from '../../model/rollout.ts'

/** How a rollout ended, for people: a stop that arrived has nothing new. */
export const endText = ({ kind, endState }: { kind: RolloutKind; endState: EndState | null }): string =>
  kind === 'stop' && endState === 'all-new' ? 'stopped' : (endState ?? 'ended')
