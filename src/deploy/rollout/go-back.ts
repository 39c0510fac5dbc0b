import type { FailureReport } from '../../model/failure.ts'
import { lastWords } from '../environment/first-cause-of.ts'
import type { EnvironmentState } from '../environment/environment-state.ts'
import { observe, type Seen } from '../environment/round.ts'
import type { ActiveRollout } from './active-rollout.ts'
import { aim, isOfNumbers } from './aim.ts'
import { endTouched, endUntouched } from './end-rollout.ts'
import { HISTORY } from './new-rollout.ts'

const LOOK_MS = 5000

/** The old release again, with all of it; or nothing, where nothing ran before. */
export async function goBack(
  active: ActiveRollout,
  state: EnvironmentState,
  failure: FailureReport,
  seen: Seen | null,
): Promise<void> {
  const { stream, rollout } = active
  stream.report({ kind: 'failure', failure })
  for (const told of seen === null ? [] : lastWords(seen.observed, rollout.to)) stream.report(told)
  const progressedAtMs = active.place.clock.now()
  await active.save(state, {
    phase: 'RollingBack',
    failure: active.redacted(failure),
    progressedAtMs,
    progressReason: 'rolling back',
  })
  await aim(active, state, 'begun')
  active.noteOnce(whereTo(active))
  await stream.flush()
}

function whereTo({ rollout }: ActiveRollout): string {
  if (isOfNumbers(rollout)) return 'going back to the numbers of replicas from before'
  return rollout.from === null
    ? 'nothing ran before: the new replicas are removed'
    : `rolling back to revision ${rollout.from}`
}

/** What cannot be mended by waiting. True: it ended the rollout; false: the rollout goes back. */
export async function failRollout(
  active: ActiveRollout,
  state: EnvironmentState,
  failure: FailureReport,
): Promise<boolean> {
  const { rollout, place } = active
  if (rollout.phase === 'Preparing') return failPreparing(active, state, failure)
  if (rollout.phase === 'RollingBack') {
    const seen = await observe(place, state.scope, AbortSignal.timeout(LOOK_MS)).catch(() => null)
    await endTouched(active, state, 'mixed', rollout.failure ?? failure, seen)
    return true
  }
  await goBack(active, state, failure, null)
  return false
}

/**
 * A failure before a replica was touched: what served serves on, and the rollout ends. But where it superseded one that had begun
 * to replace, that one's half is what runs now: the old release is brought back, as the superseded one would have done. True: it ended.
 */
export async function failPreparing(
  active: ActiveRollout,
  state: EnvironmentState,
  failure: FailureReport,
): Promise<boolean> {
  const { rollout, place } = active
  const history = await place.memory.rollouts(state.scope, HISTORY)
  const tookOver = history.some(({ supersededBy }) => supersededBy === rollout.id)
  if (tookOver && state.desired.revision !== rollout.from) {
    await goBack(active, state, failure, null)
    return false
  }
  await endUntouched(active, state, failure)
  return true
}
