import type { OperationBody } from '../../api/responses.ts'
import type { Event } from '../../model/event.ts'
import { DeployError } from '../../model/failure.ts'
import type { Connection } from '../connection.ts'
import type { Session } from '../session.ts'
import { type EventView, openEventView } from './event-view.ts'
import { followOperation } from './follow-operation.ts'
import { isAskable, LostEnd } from './lost-end.ts'

/** The last event of an operation. */
export type End = Extract<Event, { kind: 'end' }>

/** A build may be lost with its server this often: whoever kills servers has a reason by then. */
const MOST_TRIES = 5

/**
 * Begins an operation and shows its events up to the end, which it answers. Ctrl-C and --timeout: a server in the process of a
 * command finishes the current step, puts back what it drained and ends the operation; any other goes on without us, and that is said.
 * What was lost with another command's server before it was a rollout is asked for again.
 */
export async function runOperation(
  session: Session,
  connection: Connection,
  begin: () => Promise<OperationBody>,
): Promise<End> {
  const view = openEventView(session)
  const beganMs = session.clock.now()
  try {
    for (let tries = 1; ; tries++) {
      const started = await begin()
      const end = await watch({ session, connection, view, started, beganMs, mayAsk: tries < MOST_TRIES })
      if (end !== null) return end
      session.output.tell('note: the command that ran the server is gone; asking again')
    }
  } finally {
    view.close()
  }
}

interface Watching {
  readonly session: Session
  readonly connection: Connection
  readonly view: EventView
  readonly started: OperationBody
  /** When the command began: what happened before is not told. */
  readonly beganMs: number
  /** Whether an operation that was lost may be asked for again. */
  readonly mayAsk: boolean
}

/** Shows an operation up to its end; null: it was lost, and is to be asked for again. */
async function watch({ session, connection, view, started, beganMs, mayAsk }: Watching): Promise<End | null> {
  const { interrupts, clock, output } = session
  const watching = new AbortController()
  let rollout: number | null = null
  let isOurs = false
  const giveBack = interrupts.answerBy(async (reason) => {
    isOurs = true
    if (!connection.isInterruptible) return watching.abort(goesOn(started, reason))
    output.insist(`${reason.message}: finishing the current step`)
    try {
      await connection.interrupt(started.operation)
      // Before there is a rollout, nothing was touched, and nobody would end the stream.
      if (rollout === null) watching.abort(endedHere(started, reason))
    } catch (failed) {
      watching.abort(failed)
    }
  })
  const lost = new LostEnd(() => mayAsk && connection.isShared && !isOurs)
  try {
    for await (const event of followOperation(connection.client, started.operation, clock, watching.signal)) {
      rollout = event.rollout
      const shown = lost.next(event)
      if (shown === null) return null
      for (const each of shown) if (isNew(each, connection, beganMs)) view.show(each)
      if (event.kind === 'end') return event
    }
    throw new Error(`the stream of ${started.operation} ended without an end event`)
  } catch (failed) {
    if (mayAsk && connection.isShared && isAskable(failed)) return null
    throw failed
  } finally {
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
