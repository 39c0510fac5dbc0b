import { planPrune } from '../../plan/plan-prune.ts'
import type { Rollout } from '../../model/rollout.ts'
import type { EnvironmentState } from './environment-state.ts'
import type { Place } from '../place.ts'

/** Forgets releases beyond the history limit, and what only they needed: unpacked layers and images. */
export async function pruneHistory(
  place: Place,
  state: EnvironmentState,
  limit: number,
  rollout: Rollout,
): Promise<void> {
  const { token } = await state.lease()
  const releases = await place.memory.releases(state.scope)
  const revisions = releases.map(({ revision }) => revision)
  const { desired } = state
  const inUse = [rollout.to, rollout.from, ...desired.sets.map(({ revision }) => revision)].filter(
    (one) => one !== null,
  )
  const gone = planPrune(revisions, inUse, limit, desired.revision)
  if (gone.length === 0) return
  await place.memory.deleteReleases(state.scope, gone, token)
  const keep = revisions.filter((revision) => !gone.includes(revision))
  await place.engine.prune(state.scope, keep, token, AbortSignal.timeout(60_000))
  await place.pruneImages(state.scope)
}
