import type { App } from '../../model/app.ts'
import type { Event } from '../../model/event.ts'
import type { FailureReport } from '../../model/failure.ts'
import type { Measured, NotMeasured, Receipt, TimelineEntry } from '../../model/receipt.ts'
import type { Release } from '../../model/release.ts'
import type { EndState, Rollout } from '../../model/rollout.ts'
import { diffSettings } from './diff-settings.ts'
import { routerTotals } from './router-totals.ts'
import { stepText } from '../step-text.ts'

/** What a receipt is made of. */
export interface ReceiptFacts {
  readonly rollout: Rollout
  readonly to: Release
  readonly from: Release | null
  readonly events: readonly Event[]
  readonly requests: Measured | NotMeasured
  readonly endState: EndState
  readonly endedAtMs: number
  readonly failure: FailureReport | null
  readonly notes: readonly string[]
  /** The revision that `naru rollback` would go to now. */
  readonly back: number | null
}

/** The receipt, from what was remembered while it happened: the same before and after a killed server. */
export function summarizeReceipt(facts: ReceiptFacts): Receipt {
  const { rollout, to, events } = facts
  const first = events.at(0)?.atMs ?? rollout.startedAtMs
  return {
    app: rollout.app,
    environment: rollout.environment,
    rollout: rollout.id,
    kind: rollout.kind,
    from: rollout.from,
    to: rollout.to,
    commit: to.source.commit,
    subject: to.source.subject,
    digest: to.artifact.digest,
    by: rollout.startedBy,
    startedAtMs: first,
    tookMs: facts.endedAtMs - first,
    endState: facts.endState,
    failure: facts.failure,
    requests: facts.requests,
    ...availability(events, to.settings),
    inFlightAtStop: sum(events.map((event) => (event.kind === 'step' ? (event.inFlight ?? 0) : 0))),
    cut: sum(events.map((event) => (event.kind === 'replica' ? event.cut : 0))),
    ...routerTotals(events),
    migrate: migrateResult(facts),
    settings: diffSettings(facts.from?.settings ?? null, to.settings),
    secretsChanged: changedSecrets(facts.from, to),
    notes: [...facts.notes, ...sourceNotes(to)],
    back: facts.back === null ? null : { command: 'naru rollback', revision: facts.back },
    timeline: timeline(events),
  }
}

/** Over the roles that a route names; where there is none, over all. */
function availability(events: readonly Event[], settings: App): Pick<Receipt, 'fewestAvailable' | 'replicas'> {
  const routed = new Set(settings.routes.map(({ role }) => role))
  const counted = (role: string) => routed.size === 0 || routed.has(role)
  const rounds = events.filter((event) => event.kind === 'progress')
  const available = rounds.map(({ roles }) =>
    sum(roles.filter(({ role }) => counted(role)).map((role) => role.available)),
  )
  const wanted = rounds.at(-1)?.roles.filter(({ role }) => counted(role)) ?? []
  const before = rounds.at(0)?.roles.filter(({ role }) => counted(role)) ?? []
  const ranBefore = sum(before.map(({ updated, old }) => updated + old)) > 0
  return {
    fewestAvailable: rounds.length === 0 ? 0 : ranBefore ? Math.min(...available) : null,
    replicas: sum(wanted.map(({ replicas }) => replicas)),
  }
}

function migrateResult({ rollout, to, failure }: ReceiptFacts): Receipt['migrate'] {
  if (to.settings.migrate === null) return 'none'
  if (rollout.migrated) return 'done'
  return failure?.code === 'MIGRATE_FAILED' || failure?.code === 'MIGRATE_UNKNOWN' ? 'failed' : 'not-run'
}

function changedSecrets(from: Release | null, to: Release): string[] {
  const names = new Set([...Object.keys(from?.secrets ?? {}), ...Object.keys(to.secrets)])
  return from === null ? [] : [...names].filter((name) => from.secrets[name] !== to.secrets[name]).sort()
}

function sourceNotes({ source }: Release): string[] {
  return source.file === 'front' ? ['naru.yaml was read in front of the user: the commit has none'] : []
}

function timeline(events: readonly Event[]): TimelineEntry[] {
  return events.flatMap((event): TimelineEntry[] => {
    if (event.kind === 'station' && event.state === 'finished') {
      return [{ atMs: event.atMs, step: event.station, cause: event.note, tookMs: event.tookMs }]
    }
    if (event.kind === 'step' && event.step.kind !== 'wait') {
      return [{ atMs: event.atMs, step: stepText(event.step), cause: event.step.cause, tookMs: event.tookMs }]
    }
    if (event.kind === 'replica') return [{ atMs: event.atMs, step: event.replica, cause: event.change, tookMs: null }]
    if (event.kind === 'failure') {
      return [{ atMs: event.atMs, step: 'failure', cause: event.failure.message, tookMs: null }]
    }
    return []
  })
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
