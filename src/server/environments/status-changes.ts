import type { StatusBody } from '../../api/responses.ts'
import type { Scope } from '../../model/app.ts'
import { environmentStatus } from './environment-status.ts'
import type { ServerContext } from '../server-context.ts'

/** Yields the status now, and whenever something in it has changed. */
export async function* statusChanges(
  context: ServerContext,
  scope: Scope,
  signal: AbortSignal,
): AsyncIterable<StatusBody> {
  let told = ''
  for await (const _change of context.control.changes(scope, signal)) {
    const status = await environmentStatus(context, scope, signal)
    const text = JSON.stringify(status)
    if (text === told) continue
    told = text
    yield status
  }
}
