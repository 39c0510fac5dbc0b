import type { OperationBody } from '../../api/responses.ts'
import { withServer } from '../connect.ts'
import type { Connection } from '../connection.ts'
import { callerName } from '../project/app-request.ts'
import { scopeInFront, scopePath } from '../project/scope.ts'
import type { Session } from '../session.ts'
import { type End, runOperation } from './run-operation.ts'

/** Asks the app in front of the user for a change (`scale`, `stop` …), and shows it up to its end, which it answers. */
export async function beginChange(session: Session, name: string, body: object): Promise<End> {
  const path = scopePath(await scopeInFront(session))
  return withServer(session, 'changes', (connection) => changeIn(session, connection, path, name, body))
}

/** The same where the server and the app's path are known already. */
export async function changeIn(
  session: Session,
  connection: Connection,
  path: string,
  name: string,
  body: object,
): Promise<End> {
  const by = await callerName(session, session.folder)
  return runOperation(session, connection, () =>
    connection.client.post<OperationBody>(`${path}/${name}`, { ...body, by }, session.signal),
  )
}
