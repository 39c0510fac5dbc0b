import type { Scope } from './app.ts'
import type { PodReplacementPolicy } from './engine-traits.ts'
import type { FailureReport } from './failure.ts'

/** A lease's number; every effect carries it, and an older one is refused with FENCED. */
export type FencingToken = number

/** The limits of one role's rollout in absolute numbers (percentages are resolved by plan/fence-posts). */
export interface RolloutSpec {
  readonly role: string
  readonly strategy: 'RollingUpdate' | 'Recreate'
  readonly replicas: number
  readonly maxSurge: number
  readonly maxUnavailable: number
  readonly minReadySeconds: number
  readonly replacement: PodReplacementPolicy
  readonly drainSeconds: number
  readonly terminationGracePeriodSeconds: number
  /** Whether a route names the role: its replicas are admitted and drained. */
  readonly routed: boolean
}

/**
 * The replicas of one revision of one role: Kubernetes' ReplicaSet. Remembered, because mid-rollout scaling needs what each
 * set was last scaled to (reference/rollout-semantics.md 1.6), and because a size is decided before its effect is there.
 */
export interface ReplicaSet {
  readonly role: string
  readonly revision: number
  /** Replicas we want of it. */
  readonly size: number
  /** `replicas` and `replicas + maxSurge` at its last scaling; null: never recorded. */
  readonly desiredReplicas: number | null
  readonly maxReplicas: number | null
}

/** Of all replicas in the end. A first deploy that failed and was cleaned up is all-old: nothing ran before. */
export type EndState = 'all-new' | 'all-old' | 'mixed'

/** Which command began it. */
export type RolloutKind = 'deploy' | 'rollback' | 'scale' | 'stop' | 'resume'

/**
 * Preparing: prepare and migrate; nothing was replaced. Progressing: replicas are being replaced. Paused: only scaling.
 * RollingBack: on the way back to `from`. Held: failed, left as it is (onFailure: hold). Done: ended.
 */
export type RolloutPhase = 'Preparing' | 'Progressing' | 'Paused' | 'RollingBack' | 'Held' | 'Done'

/** One movement of an environment to a release: the record that history lists, and from which a killed loop is continued. */
export interface Rollout extends Scope {
  /** Counts up within the scope: r-12 of history. */
  readonly id: number
  /** The operation whose event stream tells it. */
  readonly operation: string
  readonly kind: RolloutKind
  /** Revision to move to. */
  readonly to: number
  /** Revision that ran all-new before; null: nothing ran. */
  readonly from: number | null
  readonly phase: RolloutPhase
  readonly startedAtMs: number
  readonly startedBy: string
  readonly endedAtMs: number | null
  readonly endState: EndState | null
  readonly failure: FailureReport | null
  /** The newer rollout that took over. */
  readonly supersededBy: number | null
  /** Whether the migrate command of `to` ended with 0 in this rollout. */
  readonly migrated: boolean
  /** Condition Progressing: the last time that something got further, and why; the deadline counts from here. */
  readonly progressedAtMs: number
  readonly progressReason: string
  /** Whoever asked to abort; null: nobody. */
  readonly abortedBy: string | null
  /** Replicas by role that differed from the release's settings before it: what going back means for a scale or a stop. */
  readonly scaleBefore?: DesiredState['scale']
}

/** What an environment should be: written by deploy, rollback, scale, pause, resume and stop; read by the loop. */
export interface DesiredState {
  /** null: nothing was ever deployed, or `naru stop`. */
  readonly revision: number | null
  /** Replicas by role that differ from the release's settings (`naru scale`); forgotten at the next deploy. */
  readonly scale: Readonly<Record<string, number>>
  readonly paused: boolean
  readonly sets: readonly ReplicaSet[]
}
