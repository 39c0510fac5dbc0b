import type { Scope } from '../../../model/app.ts'
import type { Exit } from '../../../model/observed.ts'
import type { FencingToken } from '../../../model/rollout.ts'
import type { Launch } from '../launch.ts'
import type { ReplicaRecord, ReplicaSpec } from './replica/replica-record.ts'

/**
 * Version of what server and keeper say to each other. A server that meets another version refuses with ENGINE_PROTOCOL, or
 * asks the keeper for a `handover` to its own (which every version from 1 on understands).
 */
export const KEEPER_PROTOCOL = 2

/** Values by name. They stay in memory, except those that the program wants as files. */
export type Secrets = Readonly<Record<string, string>>

interface Ordered {
  readonly scope: Scope
  readonly token: FencingToken
}

/** Starts the command under the name of its revision, or attaches to it. The answer is a MigrationRecord. */
export interface MigrateRequest extends Ordered {
  readonly kind: 'migrate'
  readonly spec: ReplicaSpec
  readonly timeoutMs: number
  readonly secrets: Secrets
}

/** What a server asks of the keeper. Those with a token are refused with FENCED when it is older than one seen before. */
export type KeeperRequest =
  | { readonly kind: 'observe'; readonly scope: Scope | null }
  /** Answers the port that this replica has from now on until it is removed. */
  | (Ordered & { readonly kind: 'reserve'; readonly replica: string })
  /**
   * Makes everything ready for a start that will come, and lets it wait before the program. Forgotten after a while, and with the keeper.
   * No effect where the launch cannot wait, and on what is there already.
   */
  | (Ordered & { readonly kind: 'hold'; readonly spec: ReplicaSpec; readonly secrets: Secrets })
  /** Gives back the port of a replica that was not started after all, and ends what waits for its start. */
  | (Ordered & { readonly kind: 'release'; readonly replica: string })
  /** Of a replica that is there already: only gives the secrets again. */
  | (Ordered & { readonly kind: 'start'; readonly spec: ReplicaSpec; readonly secrets: Secrets })
  /** Answers when the stop signal is sent; the keeper kills what is left after the grace period, with or without a server. */
  | (Ordered & { readonly kind: 'stop'; readonly replica: string; readonly graceMs: number })
  /** Answers when nothing of it runs and its `after` lists are through. What still runs is killed. */
  | (Ordered & { readonly kind: 'remove'; readonly replica: string })
  | MigrateRequest
  /** What is written down of it; null: it was never started. */
  | { readonly kind: 'migration'; readonly scope: Scope; readonly revision: number }
  /** Answers when the command has ended, how. */
  | { readonly kind: 'await-migration'; readonly scope: Scope; readonly revision: number }
  /** Only checks and remembers the token: before an effect that the server carries out itself. */
  | (Ordered & { readonly kind: 'fence' })
  /** Forgets migrations of revisions that are not kept. */
  | (Ordered & { readonly kind: 'prune'; readonly keep: readonly number[] })
  /** What the server's checks found, so that the next server knows since when. */
  | {
      readonly kind: 'readiness'
      readonly scope: Scope
      readonly replica: string
      readonly pid: number
      readonly readySinceMs: number | null
    }
  /** Secrets again, for a replica that needs them to start. No effect on any other. */
  | { readonly kind: 'secrets'; readonly scope: Scope; readonly replica: string; readonly secrets: Secrets }
  /** Runs one command to its end. */
  | { readonly kind: 'exec'; readonly launch: Launch; readonly timeoutMs: number }
  | { readonly kind: 'status' }
  /** Ends the keeper; a successor with this argument list goes on with everything, sockets included. */
  | { readonly kind: 'handover'; readonly command: readonly string[] }
  /** Stops and removes every replica, the router and the keeper. Answers before the keeper itself ends. */
  | { readonly kind: 'shutdown'; readonly graceMs: number }

export type KeeperRequestKind = KeeperRequest['kind']

/** A migrate command as written down. `unknown`: it was started, and nobody knows how it ended. */
export interface MigrationRecord {
  readonly spec: ReplicaSpec
  readonly state: 'starting' | 'running' | 'ended' | 'unknown'
  readonly nonce: string
  readonly process: ReplicaRecord['process']
  readonly startedAtMs: number
  readonly deadlineMs: number
  readonly timedOut: boolean
  readonly exit: Exit | null
}

export interface ExecAnswer {
  /** null: killed, or not started. */
  readonly code: number | null
  readonly timedOut: boolean
  /** The last line it wrote, for people. */
  readonly lastLine: string
}

export interface KeeperStatus {
  readonly pid: number
  readonly startedAtMs: number
  readonly replicas: number
  readonly routerPid: number | null
}

/** Told to every connected server without being asked. */
export interface ChangedPush {
  readonly kind: 'changed'
  readonly scope: Scope
}
