import type { StatusBody } from '../../api/responses.ts'
import type { Describe } from '../describe.ts'
import { withServer } from '../connect.ts'
import { scopeInFront, scopePath } from '../project/scope.ts'
import type { Session } from '../session.ts'
import { OF_APP, share } from '../shared-options.ts'
import { statusText } from '../show/status.ts'

export const describeStatus: Describe = (command, start) => {
  share(command, OF_APP)
  command.action(() => start(command, status))
}

async function status(session: Session): Promise<void> {
  const path = scopePath(await scopeInFront(session))
  await withServer(session, async ({ client }) => {
    const body = await client.get<StatusBody>(path, session.signal)
    const { output, clock } = session
    if (output.json) output.object(body)
    else for (const line of statusText(body, clock.now(), output.width)) output.data(line)
  })
}
