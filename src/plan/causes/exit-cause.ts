import type { FailureReport } from '../../model/failure.ts'
import type { Exit } from '../../model/observed.ts'
import { type CauseInput, cause, logsCommand } from './cause-input.ts'
import { tellingLine } from './telling-line.ts'

/** Why its process ended, if that is the cause: see the table of diagnose.ts. */
export function exitCause(input: CauseInput): FailureReport | null {
  const exit = input.replica.lastExit
  if (exit === null) return null
  if (exit.startFailure !== null) return startCause(input, exit)
  if (exit.outOfMemory) return memoryCause(input, exit)
  return mayTryAgain(input, exit) ? null : crashCause(input, exit)
}

/** A replica may end `startRetries` times before it was ready; one that its engine does not start again has no more tries. */
function mayTryAgain({ replica, startRetries }: CauseInput, exit: Exit): boolean {
  if (replica.restarts > startRetries) return false
  return !exit.known || (replica.phase !== 'Exited' && !endedAfterReady(replica.phase, replica.ready))
}

/** Running means that it was ready once. Not ready any more, with an exit behind it and no answer to a probe since: that was the exit. */
const endedAfterReady = (phase: string, ready: boolean): boolean => phase === 'Running' && !ready

function startCause(input: CauseInput, exit: Exit): FailureReport {
  const program = input.role.run?.[0] ?? "the image's program"
  const detail = logDetail(exit)
  switch (exit.startFailure) {
    case 'program-not-found':
      return cause(
        'REPLICA_PROGRAM_NOT_FOUND',
        input,
        `could not start: ${program} is not in the image`,
        'Check CMD and ENTRYPOINT of the Dockerfile, and `run` of the role: the path counts inside the image.',
        detail,
      )
    case 'wrong-architecture':
      return cause(
        'REPLICA_WRONG_ARCHITECTURE',
        input,
        `could not start: ${program} is built for another processor`,
        "Build the image for this machine's architecture and deploy again.",
        detail,
      )
    case 'not-executable':
      return cause(
        'REPLICA_START_FAILED',
        input,
        `could not start: ${program} is not executable for the user of the image`,
        'Set its mode in the Dockerfile: COPY --chmod=755.',
        detail,
      )
    default:
      return cause('REPLICA_START_FAILED', input, `could not start${because(exit)}`, '', detail)
  }
}

function memoryCause(input: CauseInput, exit: Exit): FailureReport {
  const bytes = input.role.resources.memoryLimitBytes
  const limit = bytes === null ? '' : ` (its limit is ${Math.round(bytes / 1_048_576)} MiB)`
  return cause(
    'REPLICA_OUT_OF_MEMORY',
    input,
    `was killed because its memory ran out${limit}`,
    `Raise roles.${input.role.name}.resources.memory, or see what it did with: ${logsCommand(input)}.`,
    { ...logDetail(exit), ...(bytes === null ? {} : { limitBytes: bytes }) },
  )
}

function crashCause(input: CauseInput, exit: Exit): FailureReport {
  const { phase, ready, restarts } = input.replica
  const when = endedAfterReady(phase, ready) ? ' after it had been ready' : ''
  const times = restarts > 1 ? `, ${restarts} times` : ''
  return cause('REPLICA_CRASHED', input, `${howItEnded(exit)}${when}${times}${because(exit)}`, '', {
    ...logDetail(exit),
    ...(exit.code === null ? {} : { exitCode: exit.code }),
    ...(exit.signal === null ? {} : { signal: exit.signal }),
    restarts,
  })
}

function howItEnded(exit: Exit): string {
  if (exit.signal !== null) return `was ended by ${exit.signal}`
  return exit.code === null ? 'ended, and its exit code is not known' : `exited with code ${exit.code}`
}

const because = ({ logTail }: Exit): string => {
  const line = tellingLine(logTail)
  return line === null ? '' : `: ${line}`
}

const logDetail = ({ logTail }: Exit) => (logTail.length === 0 ? {} : { log: logTail.join('\n') })
