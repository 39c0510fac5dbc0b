import type { PlanBody } from '../../api/responses.ts'
import { columns, cutToWidth, joinFields } from './columns.ts'
import { commitText, shortDigest } from './quantities.ts'

const MOST = 40

/** What `naru plan` shows: what would change, the steps, and what it costs on the way. */
export function planText(plan: PlanBody, width: number): string[] {
  const { from, to } = plan
  const moved = from === to ? `r${to}` : `${from === null ? '' : `r${from} `}→ r${to}`
  return [
    ...joinFields([`${plan.app} (${plan.environment})  ${moved}`, commitText(plan.commit, plan.subject)], width),
    '',
    ...changeLines(plan, width),
    '',
    ...stepLines(plan),
    '',
    plan.fewestAvailable === null
      ? `nothing runs before; ${plan.replicas} wanted`
      : `fewest available ${plan.fewestAvailable} of ${plan.replicasBefore ?? plan.replicas} on the way`,
    ...plan.notes.map((note) => `note:  ${note}`),
  ]
}

/** What differs from what should run now, by name. */
export function changeLines({ changes, commit }: Pick<PlanBody, 'changes' | 'commit'>, width: number): string[] {
  if (changes === null) return ['changes   everything is new: nothing runs here now']
  const { source, image, secrets, replicas } = changes
  const settings = changes.settings.filter(({ path }) => !isReplicas(path))
  const named: (readonly [string, string])[] = [
    ...(image === null ? [] : [['image', `${imageText(image.from)} → ${newImageText(image.to, commit)}`] as const]),
    ...(source === null ? [] : [['source', `${sourceText(source.from)} → ${sourceText(source.to)}`] as const]),
    ...replicas.map(({ role, from, to }) => ['replicas', `${role} ${from} → ${to}`] as const),
    ...secrets.map((secret) => ['secrets', secretText(secret)] as const),
    ...settings.slice(0, MOST).map((setting) => ['settings', settingText(setting)] as const),
  ]
  if (named.length === 0) return ['changes   none: nothing differs from what runs; a deploy would only restart it']
  const more = settings.length - MOST
  const lines = columns(['', ''], named)
    .slice(1)
    .map((line) => cutToWidth(indented(line), width))
  return ['changes', ...lines, ...(more > 0 ? [`  and ${more} more settings: naru plan --output json`] : [])]
}

/** They are told by role, together with what `naru scale` said. */
const isReplicas = (path: string): boolean => /^roles\.[^.]+\.replicas$/.test(path)

type Changes = NonNullable<PlanBody['changes']>

const settingText = ({ path, from, to }: Changes['settings'][number]): string => {
  if (from === null) return `+ ${path} ${to ?? ''}`
  return to === null ? `− ${path} ${from}` : `~ ${path} ${from} → ${to}`
}

function secretText({ name, from, to }: Changes['secrets'][number]): string {
  if (from === null) return `${name}: new, version ${to}`
  return to === null ? `${name}: not used any more` : `${name}: version ${from} → ${to}`
}

const sourceText = ({ commit, subject }: NonNullable<Changes['source']>['from']): string =>
  commitText(commit, subject) ?? 'none: an image that is deployed as it is'

const imageText = (name: string): string => (/^sha256:/.test(name) ? shortDigest(name) : name)

const newImageText = (to: string | null, commit: string | null): string =>
  to === null ? `built from ${commit?.slice(0, 7)}` : imageText(to)

function stepLines({ steps }: PlanBody): string[] {
  if (steps.length === 0) return ['steps     none: nothing would be done']
  const rows = steps.map(({ step, cause }, at) => [String(at + 1).padStart(String(steps.length).length), step, cause])
  return ['steps', ...columns(['', '', ''], rows).slice(1).map(indented)]
}

const indented = (line: string): string => `  ${line}`
