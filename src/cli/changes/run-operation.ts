import type { OperationBody } from '../../api/responses.ts'
import type { Event } from '../../model/event.ts'
import { DeployError } from '../../model/failure.ts'
import type { Connection } from '../connect.ts'
import { followOperation } from '../follow-operation.ts'
import type { Session } from '../session.ts'
import { eventLine } from '../show/event-line.ts'
import { failureLines } from '../show/failure.ts'
import { receiptText } from '../show/receipt.ts'

/**
 * Begins an operation and shows its events up to the end. Answers its exit code. Ctrl-C: a server in this process puts back
 * what it drained and ends the operation; any other goes on without us, and that is said.
 */
export async function runOperation(
  session: Session,
  connection: Connection,
  begin: () => Promise<OperationBody>,
): Promise<number> {
  const { output } = session
  const started = await begin()
  const watching = new AbortController()
  const giveBack = session.interrupts.answerBy((reason) => {
    if (connection.kind === 'inside') void endInside(session, connection)
    else watching.abort(goesOn(started, reason))
  })
  try {
    for await (const event of followOperation(connection.client, started.operation, session.clock, watching.signal)) {
      if (output.json) output.object(event)
      else showEvent(session, event)
      if (event.kind === 'end') return event.exit
    }
    return 1
  } finally {
    giveBack()
  }
}

function showEvent({ output }: Session, event: Event): void {
  if (event.kind === 'failure') for (const line of failureLines(event.failure)) output.insist(line)
  else if (event.kind === 'end' && event.receipt !== null) {
    for (const line of receiptText(event.receipt, output.width)) output.data(line)
  } else {
    const line = eventLine(event)
    if (line !== null) output.tell(line)
  }
}

async function endInside({ output }: Session, connection: Connection): Promise<void> {
  output.insist('interrupted: finishing the current step')
  await connection.interrupt()
}

const goesOn = ({ app, environment }: OperationBody, reason: DeployError) =>
  new DeployError(reason.code, `${reason.message}; ${app} (${environment}) goes on without this command`, {
    hint: 'Watch it with: naru status --watch. Roll it back with: naru abort.',
    detail: reason.detail,
  })
