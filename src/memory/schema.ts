import type { Generated } from 'kysely'

/** The tables of the newest schema, for kysely. Times are integer milliseconds; `body` is JSON of a noun of model. */
export interface Tables {
  leases: {
    app: string
    environment: string
    /** Only grows; the row is never deleted, so that no token is used twice. */
    token: number
    holder: string
    /** null: released. */
    expires_at_ms: number | null
  }
  /** Highest number ever used of a kind within a scope. */
  counters: { app: string; environment: string; kind: 'revision' | 'rollout'; value: number }
  desired: { app: string; environment: string; body: string }
  releases: { app: string; environment: string; revision: number; body: string }
  /** Versions of secrets that a release needs. */
  release_secrets: { app: string; environment: string; revision: number; name: string; version: number }
  rollouts: { app: string; environment: string; id: number; body: string }
  receipts: { app: string; environment: string; rollout: number; body: string }
  /** `sequence` is the order in which operations began. */
  operations: {
    operation: string
    sequence: Generated<number>
    app: string
    environment: string
    rollout: number | null
  }
  events: { operation: string; id: number; body: string }
  secrets: {
    app: string
    environment: string
    name: string
    /** Highest version ever used. */
    newest: number
    /** null: unset. */
    current: number | null
  }
  secret_versions: {
    app: string
    environment: string
    name: string
    version: number
    sealed: string
    set_at_ms: number
    set_by: string
  }
}
