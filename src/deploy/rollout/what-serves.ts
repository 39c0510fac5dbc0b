import { progressNow } from '../../plan/progress-now.ts'
import type { EnvironmentState } from '../environment/environment-state.ts'
import { releaseSpecs, type Seen } from '../environment/round.ts'
import type { ActiveRollout } from './active-rollout.ts'

/** The counts of what runs while nothing is replaced yet: also a rollout that ends there has kept them available, and says so. */
export async function tellWhatServes(active: ActiveRollout, state: EnvironmentState, seen: Seen): Promise<void> {
  const { place, stream, rollout } = active
  const { desired } = state
  if (desired.revision === null) return
  const specs = await releaseSpecs(place, desired, seen.observed, (revision) => state.find(revision))
  const roles = progressNow({ specs, desired, ...seen }, rollout.to, place.clock.now())
  const { phase, to, from } = rollout
  stream.report({ kind: 'progress', phase, to, from, roles, requests: active.probing.counts })
}
