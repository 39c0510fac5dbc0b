import type { Clock } from '../../../lib/clock.ts'
import type { Scope } from '../../../model/app.ts'
import type { Ledger } from './ledger.ts'

/** What the keeping of one thing (a replica, a migration, the router) needs of the keeper around it. */
export interface Surroundings {
  readonly folder: string
  readonly ledger: Ledger
  readonly clock: Clock
  /** Tells connected servers. */
  readonly changed: (scope: Scope) => void
  /** Tells the router: the target must leave the map now. */
  readonly exited: (scope: Scope, replica: string) => void
  /** Into the keeper's own log: what failed with nobody waiting for it. */
  readonly complain: (thrown: unknown) => void
  /** Aborted when the keeper ends. Replicas go on. */
  readonly signal: AbortSignal
}
