import { InvalidArgumentError } from 'commander'
import type { OperationBody, StatusBody } from '../../api/responses.ts'
import { withServer } from '../connect.ts'
import type { Connection } from '../connection.ts'
import type { Describe } from '../describe.ts'
import { examples } from '../help.ts'
import { changeIn } from '../operation/begin-change.ts'
import { callerName } from '../project/app-request.ts'
import { scopeInFront, scopePath } from '../project/scope.ts'
import type { Session } from '../session.ts'
import { OF_APP, share } from '../shared-options.ts'

type Replicas = Readonly<Record<string, number>>

export const describeScale: Describe = (command, start) => {
  command.argument('<replicas...>', 'N for the role web, or ROLE=N', replicasOf)
  share(command, OF_APP)
  command.action((replicas: Replicas) =>
    start(command, async (session) => {
      const path = scopePath(await scopeInFront(session))
      return withServer(session, 'changes', async (connection) => {
        const { rollout } = await connection.client.get<StatusBody>(path, session.signal)
        if (rollout?.phase === 'Paused') return scalePaused(session, connection, path, replicas)
        return (await changeIn(session, connection, path, 'scale', { replicas })).exit
      })
    }),
  )
  examples(command, [
    ['naru scale 5', 'five replicas of the role web'],
    ['naru scale web=5 worker=2', 'several roles at once'],
  ])
}

/** A paused rollout takes the numbers in and stays paused: it has no end to wait for. */
async function scalePaused(
  session: Session,
  { client }: Connection,
  path: string,
  replicas: Replicas,
): Promise<number> {
  const { output, signal } = session
  const by = await callerName(session, session.folder)
  const scaled = await client.post<OperationBody>(`${path}/scale`, { replicas, by }, signal)
  if (output.json) {
    output.object(scaled)
    return 0
  }
  const numbers = Object.entries(replicas).map(([role, count]) => `${role}=${count}`)
  output.data(`${scaled.app} (${scaled.environment}) is scaled to ${numbers.join(' ')}, and stays paused`)
  output.tell('watch it with: naru status --watch   go on with: naru resume   go back with: naru abort')
  return 0
}

/** `3`, `worker=2`: collected over all arguments. */
export function replicasOf(text: string, before: Replicas | undefined): Replicas {
  const [, role = 'web', count = ''] = /^(?:([a-z0-9-]+)=)?(\d{1,4})$/.exec(text) ?? []
  if (before !== undefined && Object.hasOwn(before, role)) throw new InvalidArgumentError(`${role} is given twice.`)
  if (count !== '' && Number(count) <= 1000) return { ...before, [role]: Number(count) }
  throw new InvalidArgumentError('Write N or ROLE=N with N from 0 to 1000, such as worker=2.')
}
