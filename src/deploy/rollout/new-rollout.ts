import type { Scope } from '../../model/app.ts'
import type { Release } from '../../model/release.ts'
import type { Rollout, RolloutKind } from '../../model/rollout.ts'
import type { EventStream } from '../event-stream.ts'

/** How far back history is read for a revision that ended all-new. */
export const HISTORY = 200

/** Who asks for a rollout of which kind, and the stream that tells it. */
export interface RollAsked {
  readonly kind: RolloutKind
  readonly by: string
  readonly stream: EventStream
}

/** What is asked of an environment: to move to a release that exists, or to a new one that gets its number then. */
export interface RollRequest extends RollAsked {
  readonly to: number | Omit<Release, 'revision'>
}

/** Where a rollout goes, and what it left. */
export type Way = Pick<Rollout, 'to' | 'from' | 'scaleBefore'>

/** The record of a rollout that begins now. */
export function newRollout(scope: Scope, asked: RollAsked, way: Way, nowMs: number): Omit<Rollout, 'id'> {
  return {
    ...scope,
    operation: asked.stream.operation,
    kind: asked.kind,
    ...way,
    phase: 'Preparing',
    startedAtMs: nowMs,
    startedBy: asked.by,
    endedAtMs: null,
    endState: null,
    failure: null,
    supersededBy: null,
    migrated: false,
    progressedAtMs: nowMs,
    progressReason: 'started',
    abortedBy: null,
  }
}
