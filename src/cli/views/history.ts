import type { HistoryBody } from '../../api/responses.ts'
import type { Receipt } from '../../model/receipt.ts'
import type { ApiClient } from '../api-client.ts'
import type { Describe } from '../describe.ts'
import { examples } from '../help.ts'
import { countOf, rolloutNumber } from '../numbers.ts'
import { withServer } from '../connect.ts'
import { scopeInFront, scopePath } from '../project/scope.ts'
import type { Session } from '../session.ts'
import { OF_APP, share } from '../shared-options.ts'
import { historyText } from '../show/history.ts'
import { printable } from '../show/printable.ts'
import { receiptText } from '../show/receipt.ts'
import { timelineText } from '../show/timeline.ts'

interface HistoryOptions {
  readonly limit: number
  /** true: of the last rollout. */
  readonly receipt?: number | true
}

export const describeHistory: Describe = (command, start) => {
  command
    .option('--limit <count>', 'how many rollouts', countOf, 20)
    .option('--receipt [rollout]', 'the receipt of one rollout (default: the last), with its timeline', rolloutNumber)
  share(command, OF_APP)
  command.action((options: HistoryOptions) => start(command, (session) => history(session, options)))
  examples(command, [
    ['naru history --receipt', 'the last receipt with its timeline'],
    ['naru history --receipt r-12 -o json', 'one receipt for programs'],
  ])
}

async function history(session: Session, { limit, receipt }: HistoryOptions): Promise<void> {
  const path = scopePath(await scopeInFront(session))
  await withServer(session, 'looks', ({ client }) =>
    receipt === undefined
      ? showHistory(session, client, `${path}/rollouts?limit=${limit}`)
      : showReceipt(session, client, `${path}/rollouts/${receipt === true ? 'last' : receipt}/receipt`),
  )
}

async function showHistory({ output, signal }: Session, client: ApiClient, path: string): Promise<void> {
  const body = await client.get<HistoryBody>(path, signal)
  if (output.json) output.object(body)
  else for (const line of historyText(printable(body))) output.data(line)
}

async function showReceipt({ output, signal }: Session, client: ApiClient, path: string): Promise<void> {
  const receipt = await client.get<Receipt>(path, signal)
  if (output.json) return output.object(receipt)
  const shown = printable(receipt)
  for (const line of [...receiptText(shown, output.width, output.paint), '', ...timelineText(shown)]) output.data(line)
}
