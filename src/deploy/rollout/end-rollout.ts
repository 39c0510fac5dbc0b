import { exitCode } from '../../model/exit-code.ts'
import type { FailureReport } from '../../model/failure.ts'
import type { EndState, FencingToken, Rollout } from '../../model/rollout.ts'
import { previousRevision } from '../../plan/plan-rollback.ts'
import type { ActiveRollout } from './active-rollout.ts'
import type { Place } from '../place.ts'
import { readCounts, type Seen } from '../environment/round.ts'
import { summarizeReceipt } from '../receipt/summarize-receipt.ts'

/** How far back `naru rollback` looks for a revision that ended all-new. */
const HISTORY = 200

export interface RolloutEnd {
  readonly endState: EndState
  readonly failure: FailureReport | null
  readonly supersededBy: number | null
  /** Last snapshot; null: nothing was touched. */
  readonly seen: Seen | null
}

/** Stops the prober, writes receipt and record, and tells the end: in this order, so that nobody hears of an end that is not remembered. */
export async function endRollout(
  place: Place,
  active: ActiveRollout,
  end: RolloutEnd,
  token: FencingToken,
): Promise<Rollout> {
  const { stream, to } = active
  if (end.seen !== null) stream.report({ ...readCounts(end.seen.router), at: 'end' })
  const requests = await active.probing.finish()
  if (end.failure !== null && end.failure !== active.rollout.failure) {
    stream.report({ kind: 'failure', failure: end.failure })
  }
  const endedAtMs = place.clock.now()
  const { endState, failure, supersededBy } = end
  const rollout: Rollout = { ...active.rollout, phase: 'Done', endedAtMs, endState, failure, supersededBy }
  const scope = { app: rollout.app, environment: rollout.environment }
  const history = await place.memory.rollouts(scope, HISTORY)
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
    back: previousRevision([rollout, ...history.filter(({ id }) => id !== rollout.id)]),
  })
  await place.memory.saveReceipt(receipt, token)
  await place.memory.saveRollout(rollout, token)
  const exit = exitCode({ endState, failure, superseded: supersededBy !== null, touched: end.seen !== null })
  stream.report({ kind: 'end', revision: rollout.to, endState, exit, digest: to.artifact.digest, receipt })
  await stream.flush()
  return rollout
}
