import { planPrune } from '../../plan/plan-prune.ts'
import type { Place } from '../place.ts'
import type { ActiveRollout } from '../rollout/active-rollout.ts'
import type { EnvironmentState } from './environment-state.ts'
import { observe } from './round.ts'

const OBSERVE_MS = 10_000
const PRUNE_MS = 60_000

/** After a rollout: forgets releases beyond the history limit, and what only they needed: unpacked layers and images. */
export async function pruneHistory(
  place: Place,
  state: EnvironmentState,
  { rollout, to }: Pick<ActiveRollout, 'rollout' | 'to'>,
): Promise<void> {
  const { token } = await state.lease()
  const { scope, desired } = state
  const releases = await place.memory.releases(scope)
  const revisions = releases.map(({ revision }) => revision)
  const { observed, router } = await observe(place, scope, AbortSignal.timeout(OBSERVE_MS))
  // A step for a replica or target needs its release: what is still there keeps it.
  const there = [...desired.sets, ...observed.replicas, ...router.targets].map(({ revision }) => revision)
  const inUse = [rollout.to, rollout.from, ...there].filter((revision) => revision !== null)
  const gone = planPrune(revisions, inUse, to.settings.rollout.revisionHistoryLimit, desired.revision)
  if (gone.length === 0) return
  await place.memory.deleteReleases(scope, gone, token)
  const keep = revisions.filter((revision) => !gone.includes(revision))
  await place.engine.prune(scope, keep, token, AbortSignal.timeout(PRUNE_MS))
  await place.pruneImages(scope)
}
