import type { OperationBody } from '../api/responses.ts'
import type { EventStream } from '../deploy/event-stream.ts'
import type { Scope } from '../model/app.ts'
import { FAILURES, failureReport } from '../model/failure.ts'
import type { ServerContext } from './server-context.ts'

/** Begins an operation and answers at once; what becomes of it is told by its stream. */
export function beginOperation(
  { control }: ServerContext,
  { app, environment }: Scope,
  work: (stream: EventStream) => Promise<void>,
): OperationBody {
  const stream = control.open({ app, environment })
  void control.carry(
    stream,
    () => work(stream),
    (failure) => FAILURES[failureReport(failure).code].exit,
  )
  return { operation: stream.operation, app, environment }
}
