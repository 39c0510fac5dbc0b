import type { StatusBody } from '../../api/responses.ts'
import { withServer } from '../connect.ts'
import type { Describe } from '../describe.ts'
import { examples } from '../help.ts'
import { resumedStream } from '../operation/resumed-stream.ts'
import { Screen } from '../operation/screen.ts'
import { scopeInFront, scopePath } from '../project/scope.ts'
import type { Session } from '../session.ts'
import { OF_APP, share } from '../shared-options.ts'
import { printable } from '../show/printable.ts'
import { statusText } from '../show/status.ts'
import { isLookedAway } from './looked-away.ts'

export const describeStatus: Describe = (command, start) => {
  command.option('-w, --watch', 'show every change until Ctrl-C')
  share(command, OF_APP)
  command.action(({ watch }: { readonly watch?: true }) =>
    start(command, (session) => (watch === true ? watchStatus(session) : showStatus(session))),
  )
  examples(command, [
    ['naru status --watch', 'every change, until Ctrl-C'],
    ['naru status -o json', 'for programs'],
  ])
}

async function showStatus(session: Session): Promise<void> {
  const path = scopePath(await scopeInFront(session))
  await withServer(session, 'looks', async ({ client }) => {
    const body = await client.get<StatusBody>(path, session.signal)
    if (session.output.json) session.output.object(body)
    else for (const line of lines(session, body)) session.output.data(line)
  })
}

/** Ends well by Ctrl-C: looking is over when the user says so. */
async function watchStatus(session: Session): Promise<void> {
  const path = scopePath(await scopeInFront(session))
  const { clock, interrupts, unread } = session
  await withServer(session, 'looks', async ({ client }) => {
    await client.get<StatusBody>(path, session.signal)
    const watching = new AbortController()
    const giveBack = interrupts.answerBy((reason) => watching.abort(reason))
    const view = openView(session)
    try {
      const until = AbortSignal.any([watching.signal, unread])
      for await (const { event, data } of resumedStream(client, () => `${path}/watch`, clock, until)) {
        if (event === 'status') view.show(data as StatusBody)
      }
    } catch (ended) {
      if (!isLookedAway(watching.signal, unread)) throw ended
    } finally {
      view.close()
      giveBack()
    }
  })
}

interface StatusView {
  show(status: StatusBody): void
  close(): void
}

/** Drawn again and again on a terminal; elsewhere every change is a document, or a block of lines. */
function openView(session: Session): StatusView {
  const { output } = session
  if (output.json) return { show: (status) => output.object(status), close: () => {} }
  if (!output.isLive || process.stdout.isTTY !== true) {
    return { show: (status) => [...lines(session, status), ''].map(output.data), close: () => {} }
  }
  const screen = new Screen(process.stdout)
  let last: readonly string[] = []
  return {
    show(status) {
      last = lines(session, status)
      screen.draw(last)
    },
    close() {
      screen.close()
      for (const line of last) output.data(line)
    },
  }
}

const lines = ({ output, clock }: Session, status: StatusBody): string[] =>
  statusText(printable(status), clock.now(), output.width, output.paint)
