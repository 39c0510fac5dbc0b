import type { OperationBody } from '../../api/responses.ts'
import type { EventStream } from '../../deploy/event-stream.ts'
import type { Scope } from '../../model/app.ts'
import { failureError, failureReport } from '../../model/failure.ts'
import type { ServerContext } from '../server-context.ts'

/** Begins an operation and answers when its first words are durable; what becomes of it is told by its stream. */
export async function beginOperation(
  { control }: ServerContext,
  { app, environment }: Scope,
  work: (stream: EventStream, signal: AbortSignal) => Promise<void>,
): Promise<OperationBody> {
  const stream = control.operations.open({ app, environment })
  control.operations.carry(stream, (signal) => work(stream, signal))
  try {
    await stream.flush()
  } catch (failed) {
    // Nobody could follow it: it has ended before the caller is told that it did not begin. A rollout is remembered by itself.
    control.operations.stopWork((one) => one === stream, failureError(failureReport(failed)))
    await control.operations.settled(stream.operation)
    if (stream.rollout === null) {
      control.operations.drop(stream)
      throw failed
    }
  }
  return { operation: stream.operation, app, environment }
}
