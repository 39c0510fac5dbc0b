import { Chain } from '../../lib/chain.ts'
import type { TargetRecord } from '../router-state.ts'

/** A client's connection, as its target and pool see it. */
export interface GivenConnection {
  /** Whether bytes are under way: an answer is owed, or something is not sent yet. */
  readonly inFlight: boolean
  /** Whether the target still has it open, or has it in its queue. */
  readonly isOpen: boolean
  /** The port from which the router reached the target; null: not connected. */
  readonly upstreamPort: number | null
  /** Chooses a target and connects to it; without one it waits. */
  connect(): void
  /** Ends the client's connection with a reset: there is no target, and nothing was lost on the way. */
  refuse(): void
  /** Goes to another target when no byte has gone either way. */
  moveUnused(): void
}

/** A target as the data path sees it: its record, and what was given to it. The counts live as long as this process. */
export class LiveTarget {
  record: TargetRecord
  /** Every connection that chose it, from before its connect until both sides have ended. */
  readonly open = new Chain<GivenConnection>()
  /** How many of these wait for it: for their connect, or for an answer. */
  waiting = 0
  connections = 0
  refused = 0
  cut = 0

  constructor(record: TargetRecord) {
    this.record = record
  }

  /** Connections that the target has not ended. */
  openCount(): number {
    return this.open.values().filter(({ isOpen }) => isOpen).length
  }

  /** Connections with bytes under way. */
  inFlight(): number {
    return this.open.values().filter(({ inFlight }) => inFlight).length
  }
}
