import type { HistoryBody } from '../../api/responses.ts'
import { columns } from './columns.ts'
import { endText } from './end-text.ts'
import { commitText, countText, durationText, timeText } from './quantities.ts'

type Line = HistoryBody['rollouts'][number]

/** What `naru history` shows: a rollout a line, the newest first. */
export function historyText({ rollouts }: HistoryBody): string[] {
  const rows = rollouts.map((line) => [
    `r-${line.id}`,
    line.kind,
    `${line.from === null ? '' : `r${line.from} `}→ r${line.to}`,
    resultText(line),
    line.lost === null || line.sent === null ? 'not measured' : `${countText(line.lost)} of ${countText(line.sent)}`,
    timeText(line.startedAtMs),
    line.startedBy,
    commitText(line.commit, line.subject) ?? '–',
  ])
  return columns(['rollout', 'kind', 'revision', 'result', 'lost', 'started', 'by', 'commit'], rows)
}

function resultText(line: Line): string {
  const { phase, failure, supersededBy, startedAtMs, endedAtMs, tookMs } = line
  if (supersededBy !== null) return `superseded by r-${supersededBy}`
  if (endedAtMs === null) return phase
  const took = `${endText(line)} in ${durationText(tookMs ?? endedAtMs - startedAtMs)}`
  return failure === null ? took : `${took}, ${failure.code}`
}
