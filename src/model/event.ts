import type { Scope } from './app.ts'
import type { FailureReport } from './failure.ts'
import type { TargetCounts } from './observed.ts'
import type { Receipt } from './receipt.ts'
import type { EndState, RolloutPhase } from './rollout.ts'
import type { Step } from './step.ts'

/** A station of the path, as the user sees it pass. */
export type Station = 'source' | 'build' | 'push' | 'release' | 'prepare' | 'migrate' | 'rollout'

/** Counts of one role on the way. */
export interface RoleProgress {
  readonly role: string
  readonly replicas: number
  readonly updated: number
  readonly ready: number
  readonly available: number
  readonly old: number
  readonly terminating: number
}

/** Requests of the prober so far. */
export interface RequestCounts {
  readonly sent: number
  readonly lost: number
}

/** What happened, without where and when. */
export type Happening =
  | { readonly kind: 'station'; readonly station: Station; readonly state: 'started'; readonly note: string }
  | {
      readonly kind: 'station'
      readonly station: Station
      readonly state: 'finished'
      readonly note: string
      readonly tookMs: number
    }
  /**
   * A step of the Dockerfile: WORKDIR, ADD, COPY, RUN; an image that a stage stands on is its first one and told as image.
   * Each begins once and ends once.
   */
  | {
      readonly kind: 'build'
      readonly state: 'started' | 'finished' | 'failed' | 'canceled'
      /** Counts up in the build. */
      readonly number: number
      /** '' in a Dockerfile with one stage that has no name. */
      readonly stage: string
      /** Place in the stage, from 1 on, and how many the stage has. */
      readonly step: number
      readonly steps: number
      readonly instruction: string
      readonly cached: boolean
      readonly tookMs: number
    }
  /**
   * An image that a Dockerfile or a deploy names: known, on its way here (at most once a second), here. `source`: where it
   * is from; 'copy': the registry could not be reached, an earlier copy is used.
   */
  | {
      readonly kind: 'image'
      readonly state: 'found' | 'moving' | 'here'
      readonly name: string
      readonly digest: string
      readonly source: 'embedded' | 'registry' | 'copy'
      readonly receivedBytes: number
      /** What was not here before; 0: all was. */
      readonly missingBytes: number
    }
  /** A layer or manifest on its way to the registry. `sentBytes` 0: it was there. */
  | { readonly kind: 'push'; readonly digest: string; readonly sentBytes: number; readonly size: number }
  /** A line of a RUN, a host command, of migrate, or of a failing replica's log. Secrets are redacted before. */
  | {
      readonly kind: 'log'
      readonly from: string
      readonly line: string
      /** Of a build: number of the step that wrote it, and when, since it began. */
      readonly step?: { readonly number: number; readonly afterMs: number }
    }
  /** `inFlight`: of a stop step, what was under way when the signal was sent. */
  | {
      readonly kind: 'step'
      readonly step: Step
      readonly state: 'done'
      readonly tookMs: number
      readonly inFlight: number | null
    }
  /** The router's own counts, by replica: at the rollout's start, before a target is forgotten, and at the end. */
  | {
      readonly kind: 'router'
      readonly at: 'start' | 'remove' | 'end'
      readonly reading: 'bytes' | 'queues' | 'requests'
      readonly counts: Readonly<Record<string, TargetCounts>>
    }
  | {
      readonly kind: 'replica'
      readonly replica: string
      readonly role: string
      readonly revision: number
      readonly change: string
      /** Connections cut at SIGKILL, where it exited so. */
      readonly cut: number
      /** Seconds of its grace period, where it was killed because it was still there after them. */
      readonly overstayedSeconds?: number
    }
  | {
      readonly kind: 'progress'
      readonly phase: RolloutPhase
      readonly to: number
      readonly from: number | null
      readonly roles: readonly RoleProgress[]
      /** What the prober has sent and lost until now; null: it does not measure, or not yet. */
      readonly requests: RequestCounts | null
    }
  /** Something a person should know that stops nothing: uncommitted changes, memory not limited here. */
  | { readonly kind: 'note'; readonly message: string }
  | { readonly kind: 'failure'; readonly failure: FailureReport }
  /** The last event of an operation. `revision` null: no release was made. */
  | {
      readonly kind: 'end'
      readonly revision: number | null
      readonly endState: EndState | null
      readonly exit: number
      readonly digest: string | null
      readonly receipt: Receipt | null
    }

/** One event of the one typed stream that the terminal, `--output json` and the receipt read. */
export type Event = Scope &
  Happening & {
    /** Counts up within the operation; resume a stream after it (Last-Event-ID). */
    readonly id: number
    readonly atMs: number
    /** The operation (one deploy, build, rollback …) that it belongs to. */
    readonly operation: string
    readonly rollout: number | null
  }

/** Where code that makes things happen tells them. */
export type Report = (happening: Happening) => void
