import type { OperationBody } from '../../api/responses.ts'
import { FAILURES } from '../../model/failure.ts'
import { withServer } from '../connect.ts'
import type { Describe } from '../describe.ts'
import { beginChange } from '../operation/begin-change.ts'
import { callerName } from '../project/app-request.ts'
import { scopeInFront, scopePath } from '../project/scope.ts'
import type { Session } from '../session.ts'
import { OF_APP, share } from '../shared-options.ts'

export const describeStop: Describe = (command, start) => {
  share(command, OF_APP)
  command.action(() => start(command, async (session) => (await beginChange(session, 'stop', {})).exit))
}

export const describeResume: Describe = (command, start) => {
  share(command, OF_APP)
  command.action(() => start(command, async (session) => (await beginChange(session, 'resume', {})).exit))
}

/** Done when everything is old again, or nothing had been touched yet, which is what was asked for: the deploy itself ends with 7. */
export const describeAbort: Describe = (command, start) => {
  share(command, OF_APP)
  command.action(() =>
    start(command, async (session) => {
      const { endState, exit } = await beginChange(session, 'abort', {})
      const isBeforeRollout = endState === null && exit === FAILURES.ROLLOUT_ABORTED.exit
      return endState === 'all-old' || isBeforeRollout ? 0 : exit
    }),
  )
}

export const describePause: Describe = (command, start) => {
  share(command, OF_APP)
  command.action(() => start(command, pause))
}

/** What is paused has no end to wait for. */
async function pause(session: Session): Promise<void> {
  const { output, signal } = session
  const path = scopePath(await scopeInFront(session))
  const by = await callerName(session, session.folder)
  await withServer(session, 'changes', async ({ client }) => {
    const paused = await client.post<OperationBody>(`${path}/pause`, { by }, signal)
    if (output.json) return output.object(paused)
    output.data(`${paused.app} (${paused.environment}) is paused: what runs stays as it is`)
    output.tell('go on with: naru resume   go back with: naru abort   change replicas with: naru scale N')
  })
}
