import type { HistoryBody, PlanBody, StatusBody } from '../../api/responses.ts'
import type { ApiClient } from '../api-client.ts'
import { withServer } from '../connect.ts'
import type { Describe } from '../describe.ts'
import { examples } from '../help.ts'
import { revisionNumber } from '../numbers.ts'
import { changeIn } from '../operation/begin-change.ts'
import { appRequest } from '../project/app-request.ts'
import { scopeInFront, scopePath } from '../project/scope.ts'
import type { Session } from '../session.ts'
import { OF_APP, share } from '../shared-options.ts'
import { changeLines } from '../show/plan.ts'
import { printable } from '../show/printable.ts'
import { commitText, shortDigest } from '../show/quantities.ts'

export const describeRollback: Describe = (command, start) => {
  command.argument('[revision]', 'where to go (default: the last other revision that ended all-new)', revisionNumber)
  share(command, OF_APP)
  command.action((revision: number | undefined) => start(command, (session) => rollback(session, revision ?? null)))
  examples(command, [
    ['naru rollback', 'to the revision that ran before'],
    ['naru rollback 41', 'to revision 41'],
  ])
}

async function rollback(session: Session, asked: number | null): Promise<number> {
  const path = scopePath(await scopeInFront(session))
  return withServer(session, 'changes', async (connection) => {
    const now = await connection.client.get<StatusBody>(path, session.signal)
    // null, or what runs already: there is nowhere to go, and the server says why.
    const revision = asked ?? now.back
    if (revision !== null && revision !== now.revision) await tellRestored(session, connection.client, now, revision)
    return (await changeIn(session, connection, path, 'rollback', { revision })).exit
  })
}

/** What comes back with the revision, told before it does. */
async function tellRestored(session: Session, client: ApiClient, now: StatusBody, revision: number): Promise<void> {
  const { output } = session
  if (output.json || output.quiet) return
  const changes = (await differences(session, client, revision)) ?? (await wholeRelease(session, client, now, revision))
  if (changes === null) return
  const from = now.revision === null ? 'nothing' : `r${now.revision}`
  for (const line of printable([`going back from ${from} to r${revision}`, ...changes])) output.tell(line)
}

/** In what it differs from what runs. It needs the file in front; null: there is none, or nothing runs to compare with. */
async function differences(session: Session, client: ApiClient, revision: number): Promise<string[] | null> {
  try {
    const fields = await appRequest(session, { ref: null, needsSource: false })
    const plan = await client.post<PlanBody>('/v1/plans', { ...fields, image: null, revision }, session.signal)
    return plan.changes === null ? null : changeLines(plan, session.output.width)
  } catch {
    return null
  }
}

/** null: there is no such revision. */
async function wholeRelease(
  { signal }: Session,
  client: ApiClient,
  now: StatusBody,
  revision: number,
): Promise<string[] | null> {
  const path = scopePath(now)
  const { rollouts } = await client.get<HistoryBody>(`${path}/rollouts?limit=1000`, signal)
  const then = rollouts.find(({ to }) => to === revision)
  if (then === undefined) return null
  return [
    `  image     ${then.digest === null ? '–' : shortDigest(then.digest)}`,
    `  source    ${commitText(then.commit, then.subject) ?? '–'}`,
    `  settings  as they were with r${revision}`,
    `  secrets   as they were with r${revision}`,
  ]
}
