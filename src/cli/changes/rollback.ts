import type { HistoryBody, PlanBody, StatusBody } from '../../api/responses.ts'
import type { Receipt } from '../../model/receipt.ts'
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
    const revision = asked ?? (await whereBack(session, connection.client, path))
    if (revision !== null) await tellRestored(session, connection.client, path, revision)
    return (await changeIn(session, connection, path, 'rollback', { revision })).exit
  })
}

/** Where `naru rollback` goes: the last receipt says it. null: the server decides, or refuses. */
async function whereBack({ signal }: Session, client: ApiClient, path: string): Promise<number | null> {
  const last = await client.get<Receipt>(`${path}/rollouts/last/receipt`, signal).catch(() => null)
  return last?.back?.revision ?? null
}

/** What comes back with the revision, told before it does. */
async function tellRestored(session: Session, client: ApiClient, path: string, revision: number): Promise<void> {
  const { signal, output } = session
  if (output.json || output.quiet) return
  const now = await client.get<StatusBody>(path, signal)
  const { rollouts } = await client.get<HistoryBody>(`${path}/rollouts?limit=1000`, signal)
  const then = rollouts.find(({ to }) => to === revision)
  if (then === undefined) return
  const lines = printable([
    `going back from ${now.revision === null ? 'nothing' : `r${now.revision}`} to r${revision}:`,
    `  commit    ${commitText(then.commit, then.subject) ?? '–'}`,
    `  image     ${then.digest === null ? '–' : shortDigest(then.digest)}`,
    ...(await settingLines(session, client, revision)).map((line) => `  ${line}`),
    `  secrets   as they were with r${revision}`,
  ])
  for (const line of lines) output.tell(line)
}

/** The settings that change back. They need the file in front; without one, only that they do is told. */
async function settingLines(session: Session, client: ApiClient, revision: number): Promise<string[]> {
  try {
    const fields = await appRequest(session, { ref: null, needsSource: false })
    return changeLines(await client.post<PlanBody>('/v1/plans', { ...fields, image: null, revision }, session.signal))
  } catch {
    return [`settings  as they were with r${revision}`]
  }
}
