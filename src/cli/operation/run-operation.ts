import type { OperationBody } from '../../api/responses.ts'
import type { Event } from '../../model/event.ts'
import { DeployError } from '../../model/failure.ts'
import type { Connection } from '../connect.ts'
import type { Session } from '../session.ts'
import { openEventView } from './event-view.ts'
import { followOperation } from './follow-operation.ts'

/** The last event of an operation. */
export type End = Extract<Event, { kind: 'end' }>

/**
 * Begins an operation and shows its events up to the end, which it answers. Ctrl-C and --timeout: a server in this process
 * finishes the current step, puts back what it drained and ends the operation; any other goes on without us, and that is said.
 */
export async function runOperation(
  session: Session,
  connection: Connection,
  begin: () => Promise<OperationBody>,
): Promise<End> {
  const beganMs = session.clock.now()
  const started = await begin()
  const watching = new AbortController()
  const view = openEventView(session)
  const follow = followOperation(connection.client, started.operation, session.clock, watching.signal)
  let rollout: number | null = null
  const giveBack = session.interrupts.answerBy(async (reason) => {
    if (connection.kind !== 'inside') return watching.abort(goesOn(started, reason))
    session.output.insist(`${reason.message}: finishing the current step`)
    await connection.interrupt().catch((failed: unknown) => watching.abort(failed))
    // Before there is a rollout, nothing was touched, and nobody would end the stream.
    if (rollout === null) watching.abort(endedHere(started, reason))
  })
  try {
    for await (const event of follow) {
      rollout = event.rollout
      if (isNew(event, connection, beganMs)) view.show(event)
      if (event.kind === 'end') return event
    }
    throw new Error(`the stream of ${started.operation} ended without an end event`)
  } finally {
    view.close()
    giveBack()
  }
}

/**
 * A change may have joined a rollout that was under way (scale, abort, resume): what happened before is not told again. Only
 * for servers of this machine, whose clock is ours.
 */
const isNew = (event: Event, { kind }: Connection, beganMs: number): boolean =>
  kind === 'elsewhere' || event.atMs >= beganMs || event.kind === 'failure' || event.kind === 'end'

const goesOn = ({ app, environment }: OperationBody, reason: DeployError) =>
  new DeployError(reason.code, `${reason.message}; ${app} (${environment}) goes on: the server carries it out`, {
    hint: 'Watch it with: naru status --watch. Roll it back with: naru abort.',
    detail: reason.detail,
  })

const endedHere = ({ app, environment }: OperationBody, { code, message, detail }: DeployError) =>
  new DeployError(code, `${message} before anything of ${app} (${environment}) was touched: all-old`, {
    hint: 'Run the same command again.',
    detail,
  })
