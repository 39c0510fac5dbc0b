import type { Measured, Receipt } from '../../model/receipt.ts'
import type { RolloutKind } from '../../model/rollout.ts'
import { joinFields } from './columns.ts'
import { endText } from './end-text.ts'
import { type Paint, PLAIN } from './paint.ts'
import { commitText, countText, durationText, shortDigest } from './quantities.ts'

const DONE_BY: Readonly<Record<RolloutKind, string>> = {
  deploy: 'deployed by',
  rollback: 'rolled back by',
  scale: 'scaled by',
  stop: 'stopped by',
  resume: 'resumed by',
}
const NOTES_SHOWN = 3

/** The first screen of a receipt: at most ten lines where they fit the width (design.md section 3). */
export function receiptText(receipt: Receipt, width: number, paint: Paint = PLAIN): string[] {
  return [
    ...joinFields(headFields(receipt, paint), width),
    ...failureLines(receipt).map(paint.bad),
    ...runsLines(receipt),
    ...joinFields(requestFields(receipt, paint), width),
    ...joinFields(settledFields(receipt), width),
    ...noteLines(receipt).map(paint.dim),
    ...joinFields([backLine(receipt), onText(receipt)], width),
  ]
}

function headFields(receipt: Receipt, paint: Paint): (string | null)[] {
  const { app, environment, from, to, tookMs } = receipt
  const name = environment === 'local' ? app : `${app} (${environment})`
  const moved = from === to ? `r${to}` : `${from === null ? '' : `r${from} `}→ r${to}`
  return [
    paint.strong(`${name}  ${moved}`),
    commitText(receipt.commit, receipt.subject),
    shortDigest(receipt.digest),
    `${DONE_BY[receipt.kind]} ${receipt.by}`,
    (receipt.failure === null ? paint.good : paint.bad)(`${endText(receipt)} in ${durationText(tookMs)}`),
  ]
}

function failureLines({ failure, from, endState }: Receipt): string[] {
  if (failure === null) return []
  const left = endState === 'all-old' && from === null ? ' (nothing ran before)' : ''
  return [`failed: ${failure.code}: ${firstLine(failure.message)}${left}`]
}

/** The list that goes with `mixed`. */
function runsLines({ runs = [] }: Receipt): string[] {
  const parts = runs.map(
    ({ role, revision, replicas, ready }) =>
      `${role} r${revision} × ${replicas}${ready === replicas ? '' : ` (${ready} ready)`}`,
  )
  return parts.length === 0 ? [] : [`runs:  ${parts.join(' · ')}`]
}

/** What was held can also go on. */
const onText = ({ held = false, to }: Receipt): string | null =>
  held ? `on:  naru resume  → r${to} (tried again)` : null

function requestFields({ requests }: Receipt, paint: Paint): (string | null)[] {
  if (requests.kind === 'not-measured') return [paint.warn(`not measured: ${requests.why}`)]
  return [
    (requests.lost === 0 ? paint.good : paint.bad)(`lost ${lostText(requests)} of ${countText(requests.sent)}`),
    `through ${requests.url}`,
    revisionsText(requests),
    otherStatusText(requests),
    latencyText(requests),
    gapsText(requests),
  ]
}

function lostText({ lost, lostBy }: Measured): string {
  if (lost === 0) return '0'
  const reasons = Object.entries(lostBy).map(([reason, count]) => `${countText(count)} ${reason}`)
  return `${countText(lost)} (${reasons.join(', ')})`
}

function revisionsText({ byRevision }: Measured): string {
  const named = ([revision, count]: [string, number]) =>
    `${revision === 'unknown' ? 'revision unknown' : `r${revision}`} ${countText(count)}`
  return Object.entries(byRevision)
    .sort(([a], [b]) => order(a) - order(b))
    .map(named)
    .join(' · ')
}

const order = (revision: string): number => (revision === 'unknown' ? Number.POSITIVE_INFINITY : Number(revision))

function otherStatusText({ otherStatus }: Measured): string | null {
  const shown = Object.entries(otherStatus).map(([status, count]) => `${countText(count)} × ${status}`)
  return shown.length === 0 ? null : `answered ${shown.join(', ')}`
}

function latencyText({ p99: { before, after } }: Measured): string | null {
  if (before === null && after === null) return null
  if (before === null || after === null) return `p99 ${milliseconds(before ?? after ?? 0)} ms`
  return `p99 ${milliseconds(before)} → ${milliseconds(after)} ms`
}

const milliseconds = (ms: number): string => (ms < 10 ? String(Number(ms.toFixed(1))) : String(Math.round(ms)))

function gapsText({ gaps }: Measured): string | null {
  const ms = gaps.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0)
  return gaps.length === 0 ? null : `not measured for ${durationText(ms)}`
}

function settledFields(receipt: Receipt): string[] {
  const { settings, migrate, secretsChanged } = receipt
  return [
    availableText(receipt),
    ...(receipt.resized ?? []).map(({ role, from, to }) => `replicas ${role} ${from} → ${to}`),
    `in flight at stop ${receipt.inFlightAtStop}`,
    `cut ${receipt.cut}`,
    `migrate ${migrate === 'none' ? '–' : migrate.replace('-', ' ')}`,
    `settings +${settings.added} −${settings.removed}`,
    `secrets ${secretsChanged.length === 0 ? 'unchanged' : `changed: ${secretsChanged.join(', ')}`}`,
  ]
}

/** Where no round was carried out (a failed migrate), or nothing shall run, there is no number to tell. */
function availableText({ fewestAvailable, replicas, replicasBefore = null }: Receipt): string {
  if (replicas === 0) return 'fewest available –'
  if (fewestAvailable === null) return 'nothing ran before'
  return `fewest available ${fewestAvailable} of ${replicasBefore ?? replicas}`
}

function noteLines({ notes }: Receipt): string[] {
  const more = notes.length - NOTES_SHOWN
  const lines = notes.slice(0, NOTES_SHOWN).map((note) => `note:  ${note}`)
  return more > 0 ? [...lines, `note:  and ${more} more: naru history --receipt`] : lines
}

function backLine({ back }: Receipt): string {
  if (back === null) return 'back:  nothing to go back to yet'
  return `back:  ${back.command}  → r${back.revision} (image, settings and secrets)`
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? ''
