import type { Event } from '../../model/event.ts'
import type { FailureReport } from '../../model/failure.ts'
import type { Measured, NotMeasured, Receipt, Running, TimelineEntry } from '../../model/receipt.ts'
import type { Release } from '../../model/release.ts'
import type { EndState, Rollout } from '../../model/rollout.ts'
import { countedReplicas, isCounted, resizedRoles, type Wanted, wantedReplicas } from '../../plan/wanted-replicas.ts'
import { isOfNumbers } from '../rollout/aim.ts'
import { diffSettings } from './diff-settings.ts'
import type { Step } from '../../model/step.ts'
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
  /** What runs at the end, where that is mixed. */
  readonly runs: readonly Running[]
  /** Whether it is left as it is, to be resumed. */
  readonly held: boolean
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
    ...availability(facts),
    runs: facts.runs,
    held: facts.held,
    inFlightAtStop: sum(events.map((event) => (event.kind === 'step' ? (event.inFlight ?? 0) : 0))),
    cut: sum(events.map((event) => (event.kind === 'replica' ? event.cut : 0))),
    ...routerTotals(events),
    migrate: migrateResult(facts),
    settings: diffSettings(facts.from?.settings ?? null, to.settings),
    secretsChanged: changedSecrets(facts.from, to),
    notes: [...overstayNotes(events), ...facts.notes, ...sourceNotes(to)],
    back: facts.back === null ? null : { command: 'naru rollback', revision: facts.back },
    timeline: timeline(events),
  }
}

type Availability = 'fewestAvailable' | 'replicas' | 'replicasBefore' | 'resized'

/** Over the roles that a route names; where there is none, over all. */
function availability({ rollout, to, from, events }: ReceiptFacts): Pick<Receipt, Availability> {
  const rounds = events.filter((event) => event.kind === 'progress').map(({ roles }) => roles)
  const counted = rounds.map((roles) => roles.filter(({ role }) => isCounted(to.settings, role)))
  const available = counted.map((roles) => sum(roles.map((role) => role.available)))
  const ranBefore = sum((counted.at(0) ?? []).map(({ updated, old }) => updated + old)) > 0
  const base = isOfNumbers(rollout) ? to : from
  const before: Wanted = base === null ? {} : wantedReplicas(base.settings, rollout.scaleBefore ?? {})
  const after: Wanted = Object.fromEntries((rounds.at(-1) ?? []).map(({ role, replicas }) => [role, replicas]))
  return {
    fewestAvailable: rounds.length === 0 ? 0 : ranBefore ? Math.min(...available) : null,
    replicas: countedReplicas(to.settings, after),
    replicasBefore: ranBefore && base !== null ? countedReplicas(to.settings, before) : null,
    resized: ranBefore ? resizedRoles(before, after) : [],
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

/** Replicas that had to be killed, and what to do about it. */
function overstayNotes(events: readonly Event[]): string[] {
  const killed = events.flatMap((event) =>
    event.kind === 'replica' && event.overstayedSeconds !== undefined
      ? [{ replica: event.replica, seconds: event.overstayedSeconds }]
      : [],
  )
  const [first] = killed
  if (first === undefined) return []
  const which = killed.length === 1 ? first.replica : `${killed.length} replicas (${first.replica} the first)`
  return [
    `${which} did not end within ${first.seconds} s of the stop signal and had to be killed: let the program end on SIGTERM (or the STOPSIGNAL of its image), or set terminationGracePeriodSeconds`,
  ]
}

function sourceNotes({ source }: Release): string[] {
  return source.file === 'front' ? ['naru.yaml was read in front of the user: the commit has none'] : []
}

function timeline(events: readonly Event[]): TimelineEntry[] {
  return events.flatMap((event, at): TimelineEntry[] => {
    switch (event.kind) {
      case 'station':
        if (event.state === 'finished')
          return [{ atMs: event.atMs, step: event.station, cause: event.note, tookMs: event.tookMs }]
        return broken(event, events.slice(at + 1))
      case 'step':
        if (TOLD_BY_STATIONS.includes(event.step.kind)) return []
        return [{ atMs: event.atMs, step: stepText(event.step), cause: event.step.cause, tookMs: event.tookMs }]
      case 'replica':
        return [{ atMs: event.atMs, step: event.replica, cause: event.change, tookMs: null }]
      case 'failure':
        return [{ atMs: event.atMs, step: 'failure', cause: event.failure.message, tookMs: null }]
      default:
        return []
    }
  })
}

/** Steps that a station of the same name tells, and the one that does nothing. */
const TOLD_BY_STATIONS: readonly Step['kind'][] = ['prepare', 'migrate', 'wait']

/** A station that the failure ended: it has no end of its own. */
function broken({ station, note, atMs }: Extract<Event, { kind: 'station' }>, later: readonly Event[]) {
  const ended = later.find((event) => event.kind === 'failure' || event.kind === 'station')
  return ended?.kind === 'failure' ? [{ atMs: ended.atMs, step: station, cause: note, tookMs: ended.atMs - atMs }] : []
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
