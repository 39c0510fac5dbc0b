import type { Scope } from './app.ts'
import type { FailureReport } from './failure.ts'
import type { EndState, RolloutKind } from './rollout.ts'

/** Why a request of the prober was lost (design.md 9a). */
export type LostReason = 'refused' | 'reset' | 'timeout' | 'incomplete' | 'status-5xx'

/** What the prober saw. Every request that it sent is in exactly one count. */
export interface Measured {
  readonly kind: 'measured'
  /** URL through the real route. */
  readonly url: string
  readonly rate: number
  readonly sent: number
  readonly answered: number
  readonly lost: number
  readonly lostBy: Readonly<Partial<Record<LostReason, number>>>
  /** Answered by which revision; `unknown` where the source port could not be found. */
  readonly byRevision: Readonly<Record<string, number>>
  /** Answered, by status code other than 2xx. */
  readonly otherStatus: Readonly<Record<string, number>>
  /** Milliseconds; null without a sample. Before: answered by the old revision; after: by the new one. */
  readonly p50: { readonly before: number | null; readonly after: number | null }
  readonly p99: { readonly before: number | null; readonly after: number | null }
  /** Times without any request (the prober was not running): these are not measured. */
  readonly gaps: readonly { readonly fromMs: number; readonly toMs: number }[]
}

/** Never `lost 0` where nothing was measured. */
export interface NotMeasured {
  readonly kind: 'not-measured'
  readonly why: string
}

/** A role of which another number of replicas is wanted than before. */
export interface Resized {
  readonly role: string
  readonly from: number
  readonly to: number
}

/** How many replicas of a role run which revision: the list that goes with `mixed`. */
export interface Running {
  readonly role: string
  readonly revision: number
  readonly replicas: number
  /** How many of them are ready. */
  readonly ready: number
}

/** One line of the timeline. */
export interface TimelineEntry {
  readonly atMs: number
  /** `start web-42-1`, `admit web-42-1` … or a phase: `source`, `build`. */
  readonly step: string
  readonly cause: string
  readonly tookMs: number | null
}

/** The measured record of a rollout. */
export interface Receipt extends Scope {
  readonly rollout: number
  readonly kind: RolloutKind
  readonly from: number | null
  readonly to: number
  readonly commit: string | null
  readonly subject: string | null
  readonly digest: string
  readonly by: string
  readonly startedAtMs: number
  /** From the user's command (or the start of the rollout) to its end. */
  readonly tookMs: number
  readonly endState: EndState
  readonly failure: FailureReport | null
  readonly requests: Measured | NotMeasured
  /**
   * Lowest number of available replicas on the way (null: nothing ran before, so that none could be kept), and the wanted number
   * at the end; summed over routed roles, else over all.
   */
  readonly fewestAvailable: number | null
  readonly replicas: number
  /** What `fewestAvailable` is to be compared with: the wanted number before. Absent in receipts of older versions; null: nothing ran. */
  readonly replicasBefore?: number | null
  /** Roles of which another number is wanted than before. Absent in receipts of older versions. */
  readonly resized?: readonly Resized[]
  /** What ran at the end, where the end state is mixed. Absent in receipts of older versions. */
  readonly runs?: readonly Running[]
  /** Whether it was left as it is, to be resumed (onFailure: hold). */
  readonly held?: boolean
  /** Work under way at the stop signals, and connections cut at SIGKILL. `reading` says how the router knows. */
  readonly inFlightAtStop: number
  readonly cut: number
  readonly reading: 'bytes' | 'queues' | 'requests' | 'none'
  /** The router's own counts during the rollout. */
  readonly router: { readonly connections: number; readonly refused: number; readonly cut: number } | null
  readonly migrate: 'none' | 'done' | 'failed' | 'not-run'
  readonly settings: { readonly added: number; readonly removed: number }
  readonly secretsChanged: readonly string[]
  /** Where naru.yaml was read, what was not limited here, a wanted drain that the image does not do: one sentence each. */
  readonly notes: readonly string[]
  /** How to go back: `naru rollback`, and to which revision; null: nothing to go back to. */
  readonly back: { readonly command: string; readonly revision: number } | null
  readonly timeline: readonly TimelineEntry[]
}
