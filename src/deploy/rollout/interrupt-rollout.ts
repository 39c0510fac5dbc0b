import type { FailureReport } from '../../model/failure.ts'
import { endStateOf } from '../../plan/end-state.ts'
import type { EnvironmentState } from '../environment/environment-state.ts'
import { observe } from '../environment/round.ts'
import type { ActiveRollout } from './active-rollout.ts'

const CALL_MS = 10_000

/**
 * Nobody stays behind to go on: admits again what was drained and still runs, and ends the operation with INTERRUPTED. The
 * rollout stays unfinished: the next process that changes something goes on with it, or a newer deploy supersedes it.
 */
export async function interruptRollout(active: ActiveRollout, state: EnvironmentState): Promise<void> {
  const { place, rollout, stream } = active
  const signal = AbortSignal.timeout(CALL_MS)
  const seen = await observe(place, state.scope, signal)
  const serving = new Set(
    seen.observed.replicas.filter(({ phase, ready }) => phase === 'Running' && ready).map(({ id }) => id),
  )
  const { token } = await state.lease()
  for (const target of seen.router.targets) {
    if (target.state === 'Draining' && serving.has(target.replica))
      await place.router.admit(state.scope, target, token, signal)
  }
  const endState = rollout.phase === 'Preparing' ? 'all-old' : endStateOf(seen.observed, rollout.from, false)
  const failure: FailureReport = {
    code: 'INTERRUPTED',
    message: `interrupted on the way to revision ${rollout.to}; what runs now is ${endState}`,
    hint: 'Go on with it: naru resume. Go back: naru abort. A new deploy takes its place: naru deploy.',
    detail: { revision: rollout.to },
  }
  stream.report({ kind: 'failure', failure })
  const { digest } = active.to.artifact
  stream.report({ kind: 'end', revision: rollout.to, endState, exit: 9, digest, receipt: null })
  await stream.flush()
  await active.probing.finish()
}
