import type { Event, Happening } from '../model/event.ts'
import { exitCode } from '../model/exit-code.ts'
import { DeployError, FAILURES, failureReport } from '../model/failure.ts'
import type { Receipt } from '../model/receipt.ts'
import type { Rollout } from '../model/rollout.ts'

/** How an operation ends that a killed server left before it became a rollout: nothing was touched, and nobody goes on with it. */
export function endOfLost(): readonly Happening[] {
  const failure = failureReport(
    new DeployError('INTERRUPTED', 'the server ended before the rollout had begun', {
      hint: 'Nothing was changed. Ask again: naru deploy.',
    }),
  )
  const { exit } = FAILURES.INTERRUPTED
  return [
    { kind: 'failure', failure },
    { kind: 'end', revision: null, endState: null, exit, digest: null, receipt: null },
  ]
}

/** The end of a rollout that was remembered as done, while its last event was lost with the server. */
export function endOfDone(rollout: Rollout, receipt: Receipt | null, events: readonly Event[]): Happening {
  const { endState, failure, supersededBy, to } = rollout
  const touched = events.some((event) => event.kind === 'station' && event.station === 'rollout')
  const exit = exitCode({ endState, failure, superseded: supersededBy !== null, touched })
  return { kind: 'end', revision: to, endState, exit, digest: receipt?.digest ?? null, receipt }
}
