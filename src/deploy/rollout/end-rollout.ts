import { exitCode } from '../../model/exit-code.ts'
import type { FailureReport } from '../../model/failure.ts'
import type { EndState, Rollout } from '../../model/rollout.ts'
import { endStateOf, whatRuns } from '../../plan/end-state.ts'
import { whereBack } from '../../plan/plan-rollback.ts'
import type { EnvironmentState } from '../environment/environment-state.ts'
import { observe, readCounts, type Seen } from '../environment/round.ts'
import { summarizeReceipt } from '../receipt/summarize-receipt.ts'
import type { ActiveRollout } from './active-rollout.ts'
import { isOfNumbers } from './aim.ts'
import { HISTORY } from './new-rollout.ts'
import { routesOf } from './publish-routes.ts'
import { tellWhatServes } from './what-serves.ts'

const CALL_MS = 10_000

interface End {
  readonly endState: EndState
  readonly failure: FailureReport | null
  readonly supersededBy: number | null
  /** Last snapshot; null: nothing was touched, or nothing could be seen. */
  readonly seen: Seen | null
  readonly touched: boolean
}

/** Ends before a replica was touched: what served serves on. */
export async function endUntouched(
  active: ActiveRollout,
  state: EnvironmentState,
  failure: FailureReport,
): Promise<void> {
  const { token } = await state.lease()
  const end: End = { endState: 'all-old', failure, supersededBy: null, seen: null, touched: false }
  await active.place.router
    .publish(state.scope, routesOf(active.from), token, AbortSignal.timeout(CALL_MS))
    .catch((failed) => {
      // What could not be prepared for want of a router has published nothing, or has it published again by the next one.
      active.noteOnce(`the routes could not be put back: ${String(failed)}`)
    })
  await observe(active.place, state.scope, AbortSignal.timeout(CALL_MS))
    .then((seen) => tellWhatServes(active, state, seen))
    .catch(() => active.noteOnce('what serves could not be seen at the end'))
  await finish(active, state, end)
}

/** Ends a rollout that has changed something: the routes become those of what serves now. */
export async function endTouched(
  active: ActiveRollout,
  state: EnvironmentState,
  endState: EndState,
  failure: FailureReport | null,
  seen: Seen | null,
): Promise<void> {
  const { place, stream, rollout } = active
  const tookMs = Math.round(place.clock.monotonic() - active.beganAt)
  stream.report({ kind: 'station', station: 'rollout', state: 'finished', note: endNote(rollout, endState), tookMs })
  // Before an address is given back: the prober may be asking there.
  await active.probing.finish()
  const isGone = endsWithNothing(active, endState)
  if (endState !== 'mixed') {
    const served = endState === 'all-old' && !isOfNumbers(rollout) ? active.from : active.to
    const routes = isGone ? [] : routesOf(served)
    const { token } = await state.lease()
    if (JSON.stringify(routes) !== active.published)
      await place.router.publish(state.scope, routes, token, AbortSignal.timeout(CALL_MS))
  }
  if (isGone) await state.save({ revision: null, scale: {}, paused: false, sets: [] })
  await finish(active, state, { endState, failure, supersededBy: null, seen, touched: true })
}

const endNote = ({ kind }: Rollout, endState: EndState): string =>
  kind === 'stop' && endState === 'all-new' ? 'stopped' : endState

/** A stop that arrived, or a first deploy that was taken back. */
function endsWithNothing({ rollout }: ActiveRollout, endState: EndState): boolean {
  if (endState === 'mixed') return false
  if (rollout.kind === 'stop') return endState === 'all-new'
  return endState === 'all-old' && rollout.from === null && !isOfNumbers(rollout)
}

/** A newer rollout takes over: what is there is its starting point. */
export async function endSuperseded(active: ActiveRollout, state: EnvironmentState, by: number): Promise<void> {
  const { rollout, place } = active
  const failure: FailureReport = {
    code: 'ROLLOUT_SUPERSEDED',
    message: `the rollout to revision ${rollout.to} was superseded by rollout ${by}`,
    hint: 'Watch the newer one with: naru status --watch.',
    detail: { rollout: by },
  }
  const touched = rollout.phase !== 'Preparing'
  const seen = touched ? await observe(place, state.scope, AbortSignal.timeout(CALL_MS)) : null
  const endState = seen === null ? 'all-old' : endStateOf(seen.observed, rollout.from, false)
  await finish(active, state, { endState, failure, supersededBy: by, seen, touched })
}

/** Stops the prober, writes receipt and record, and tells the end: in this order, so that nobody hears of an end that is not remembered. */
async function finish(active: ActiveRollout, state: EnvironmentState, end: End): Promise<void> {
  const { place, stream, to } = active
  if (end.seen !== null) stream.report({ ...readCounts(end.seen.router), at: 'end' })
  const requests = await active.probing.finish()
  const { endState, supersededBy } = end
  const failure = end.failure === null ? null : active.redacted(end.failure)
  if (failure !== null && failure.message !== active.rollout.failure?.message)
    stream.report({ kind: 'failure', failure })
  const endedAtMs = place.clock.now()
  const rollout: Rollout = { ...active.rollout, phase: 'Done', endedAtMs, endState, failure, supersededBy }
  const history = [
    rollout,
    ...(await place.memory.rollouts(state.scope, HISTORY)).filter(({ id }) => id !== rollout.id),
  ]
  const revisions = (await place.memory.releases(state.scope)).map(({ revision }) => revision)
  const receipt = summarizeReceipt({
    rollout,
    to,
    from: active.from,
    events: stream.events,
    requests,
    endState,
    endedAtMs,
    failure,
    notes: await place.engine.notes(),
    runs: endState === 'mixed' && end.seen !== null ? whatRuns(end.seen.observed) : [],
    held: endState === 'mixed' && supersededBy === null && state.desired.paused,
    back: whereBack({ history, revisions, current: state.desired.revision }),
  })
  const { token } = await state.lease()
  await place.memory.saveReceipt(receipt, token)
  await active.save(state, rollout)
  const exit = exitCode({ endState, failure, superseded: supersededBy !== null, touched: end.touched })
  stream.report({ kind: 'end', revision: rollout.to, endState, exit, digest: to.artifact.digest, receipt })
  await stream.flush()
}
