import { InvalidArgumentError } from 'commander'
import type { HistoryBody } from '../../api/responses.ts'
import type { Receipt } from '../../model/receipt.ts'
import type { ApiClient } from '../api-client.ts'
import type { Describe } from '../describe.ts'
import { withServer } from '../connect.ts'
import { scopeInFront, scopePath } from '../project/scope.ts'
import type { Session } from '../session.ts'
import { OF_APP, share } from '../shared-options.ts'
import { historyText } from '../show/history.ts'
import { receiptText } from '../show/receipt.ts'

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
}

async function history(session: Session, { limit, receipt }: HistoryOptions): Promise<void> {
  const path = scopePath(await scopeInFront(session))
  await withServer(session, ({ client }) =>
    receipt === undefined
      ? showHistory(session, client, `${path}/rollouts?limit=${limit}`)
      : showReceipt(session, client, `${path}/rollouts/${receipt === true ? 'last' : receipt}/receipt`),
  )
}

async function showHistory({ output, signal }: Session, client: ApiClient, path: string): Promise<void> {
  const body = await client.get<HistoryBody>(path, signal)
  if (output.json) output.object(body)
  else for (const line of historyText(body)) output.data(line)
}

async function showReceipt({ output, signal }: Session, client: ApiClient, path: string): Promise<void> {
  const receipt = await client.get<Receipt>(path, signal)
  if (output.json) output.object(receipt)
  else for (const line of receiptText(receipt, output.width)) output.data(line)
}

/** `12` or `r-12`. */
function rolloutNumber(text: string): number {
  const [, digits] = /^(?:r-)?([1-9]\d{0,8})$/.exec(text) ?? []
  if (digits !== undefined) return Number(digits)
  throw new InvalidArgumentError('Write a rollout of the history, such as r-12.')
}

function countOf(text: string): number {
  if (/^[1-9]\d{0,2}$/.test(text) || text === '1000') return Number(text)
  throw new InvalidArgumentError('Write a number from 1 to 1000.')
}
