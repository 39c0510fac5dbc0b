import type { Scope } from '../model/app.ts'
import type { EngineTraits } from '../model/engine-traits.ts'
import type { Report } from '../model/event.ts'
import type { Observed } from '../model/observed.ts'
import type { Release } from '../model/release.ts'
import type { FencingToken } from '../model/rollout.ts'
import type { EngineStep, StartStep } from '../model/step.ts'

/** Who a step is for, by which right, and of which release. */
export interface Order {
  readonly scope: Scope
  readonly token: FencingToken
  /** The release of the step's revision. */
  readonly release: Release
  /** Opens the release's secrets, at the pinned versions: only `start` and `migrate` call it. Values never reach a disk, log or event. */
  openSecrets(): Promise<Readonly<Record<string, string>>>
}

/** A place that runs releases. It carries out steps; it decides nothing. */
export interface Engine {
  readonly name: string
  readonly traits: EngineTraits
  /** What is special about this place now, a sentence each, for plan, doctor and receipt: "memory is not limited here". */
  notes(): Promise<readonly string[]>
  /** A snapshot. It changes nothing, and may be called at any time. */
  observe(scope: Scope, signal: AbortSignal): Promise<Observed>
  /** Yields whenever something of the scope may have changed (also at once). Ends with the signal. */
  changes(scope: Scope, signal: AbortSignal): AsyncIterable<void>
  /** Carries out one step. Doing the same step twice is safe. Throws DeployError only. */
  apply(step: EngineStep, order: Order, report: Report, signal: AbortSignal): Promise<void>
  /**
   * These starts of the order's release will come next when nothing goes wrong; what was foreseen for the scope before and is not any more is
   * forgotten. The engine may make ready what takes time, and runs nothing of the app. It answers at once and never fails: what is
   * not ready is made by the start step. Absent: the engine has no use for it.
   */
  foresee?(starts: readonly StartStep[], order: Order): void
  /** The replicas of a scope that have a log, those that are gone as well. */
  logged(scope: Scope): Promise<readonly LoggedReplica[]>
  /** Log lines of the scope's replicas. `follow`: goes on until the signal; `tail`: lines per replica to begin with. */
  logs(scope: Scope, options: LogOptions, signal: AbortSignal): AsyncIterable<LogLine>
  /** Deletes what no revision in `keep` needs (unpacked layers, prepared roots). */
  prune(scope: Scope, keep: readonly number[], token: FencingToken, signal: AbortSignal): Promise<void>
}

/** A replica, or what migrated for a revision (role null). */
export interface LoggedReplica {
  readonly replica: string
  readonly role: string | null
  readonly revision: number
}

export interface LogOptions {
  readonly role: string | null
  readonly replica: string | null
  readonly revision: number | null
  readonly follow: boolean
  /** Lines per replica from the end; Infinity: all. */
  readonly tail: number
}

export interface LogLine {
  readonly replica: string
  readonly line: string
}
