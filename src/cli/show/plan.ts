import type { PlanBody } from '../../api/responses.ts'
import { columns, joinFields } from './columns.ts'
import { commitText } from './quantities.ts'

const MOST = 40

/** What `naru plan` shows: what would change, the steps, and what it costs on the way. */
export function planText(plan: PlanBody, width: number): string[] {
  const { from, to } = plan
  const moved = from === to ? `r${to}` : `${from === null ? '' : `r${from} `}→ r${to}`
  return [
    ...joinFields([`${plan.app} (${plan.environment})  ${moved}`, commitText(plan.commit, plan.subject)], width),
    '',
    ...changeLines(plan),
    '',
    ...stepLines(plan),
    '',
    plan.fewestAvailable === null
      ? `nothing runs before; ${plan.replicas} wanted`
      : `fewest available ${plan.fewestAvailable} of ${plan.replicas} on the way`,
    ...plan.notes.map((note) => `note:  ${note}`),
  ]
}

/** The settings that differ; a first deploy has nothing to compare with. */
export function changeLines({ changes, from }: Pick<PlanBody, 'changes' | 'from'>): string[] {
  if (from === null) return ['settings  all new: nothing was deployed here before']
  if (changes.length === 0) return ['settings  unchanged']
  const rows = changes
    .slice(0, MOST)
    .map(({ path, from: before, to }) => [
      before === null ? '+' : to === null ? '−' : '~',
      path,
      before === null ? (to ?? '') : to === null ? before : `${before} → ${to}`,
    ])
  const more = changes.length > MOST ? [`  and ${changes.length - MOST} more: naru plan --output json`] : []
  return ['settings', ...columns(['', '', ''], rows).slice(1).map(indented), ...more]
}

function stepLines({ steps }: PlanBody): string[] {
  if (steps.length === 0) return ['steps     none: nothing would be done']
  const rows = steps.map(({ step, cause }, at) => [String(at + 1).padStart(String(steps.length).length), step, cause])
  return ['steps', ...columns(['', '', ''], rows).slice(1).map(indented)]
}

const indented = (line: string): string => `  ${line}`
