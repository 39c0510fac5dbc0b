import type { OperationBody } from '../../api/responses.ts'
import { withServer } from '../connect.ts'
import { callerName } from '../project/app-request.ts'
import { scopeInFront, scopePath } from '../project/scope.ts'
import type { Session } from '../session.ts'
import { runOperation } from './run-operation.ts'

/** Asks the app in front of the user for a change (`rollback`, `scale` …), and shows it up to its end. Answers its exit code. */
export async function beginChange(session: Session, name: string, body: object): Promise<number> {
  const path = scopePath(await scopeInFront(session))
  const by = await callerName(session, session.folder)
  return withServer(session, (connection) =>
    runOperation(session, connection, () =>
      connection.client.post<OperationBody>(`${path}/${name}`, { ...body, by }, session.signal),
    ),
  )
}
