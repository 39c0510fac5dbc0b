import { InvalidArgumentError } from 'commander'
import { withServer } from '../connect.ts'
import type { Describe } from '../describe.ts'
import { examples } from '../help.ts'
import { revisionNumber } from '../numbers.ts'
import { resumedStream } from '../operation/resumed-stream.ts'
import { scopeInFront, scopePath } from '../project/scope.ts'
import type { Session } from '../session.ts'
import { OF_APP, share } from '../shared-options.ts'
import { printableLog } from '../show/printable.ts'
import { isLookedAway } from './looked-away.ts'

interface LogOptions {
  readonly follow?: true
  readonly role?: string
  readonly replica?: string
  readonly revision?: number
  readonly tail: number
}

interface LogLine {
  readonly replica: string
  readonly line: string
}

export const describeLogs: Describe = (command, start) => {
  command
    .option('-f, --follow', 'go on until Ctrl-C')
    .option('--role <name>', 'of one role')
    .option('--replica <id>', 'of one replica, such as web-42-1')
    .option('--revision <number>', 'of one revision', revisionNumber)
    .option('--tail <lines>', 'lines per replica to begin with', lineCount, 100)
  share(command, OF_APP)
  command.action((options: LogOptions) => start(command, (session) => logs(session, options)))
  examples(command, [
    ['naru logs -f', 'all replicas, as they write'],
    ['naru logs --role worker --tail 20', 'the last lines of one role'],
  ])
}

/** Ends with the last line, and under --follow well by Ctrl-C. */
async function logs(session: Session, options: LogOptions): Promise<void> {
  const path = `${scopePath(await scopeInFront(session))}/logs`
  const { clock, interrupts, output, unread } = session
  await withServer(session, 'looks', async ({ client }) => {
    const reading = new AbortController()
    const giveBack = interrupts.answerBy((reason) => reading.abort(reason))
    // After a break only what is new: the tail was shown already.
    let { tail } = options
    const next = () => `${path}?${queryOf({ ...options, tail })}`
    try {
      for await (const { event, data } of resumedStream(
        client,
        next,
        clock,
        AbortSignal.any([reading.signal, unread]),
      )) {
        if (event === 'end') return
        tail = 0
        show(session, data as LogLine)
      }
    } catch (ended) {
      if (!isLookedAway(reading.signal, unread)) throw ended
    } finally {
      giveBack()
      if (output.verbose) output.tell('end of the logs')
    }
  })
}

function show({ output }: Session, { replica, line }: LogLine): void {
  if (output.json) output.object({ replica, line })
  else output.data(`${output.paint.dim(`${replica} |`)} ${printableLog(line)}`)
}

function queryOf({ follow, role, replica, revision, tail }: LogOptions): string {
  const query = new URLSearchParams({ tail: String(tail), follow: String(follow === true) })
  for (const [name, value] of Object.entries({ role, replica, revision })) {
    if (value !== undefined) query.set(name, String(value))
  }
  return query.toString()
}

function lineCount(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Write a number from 0 to 999999.')
}
