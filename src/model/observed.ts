/** One attempt of a health check. */
export type ProbeResult =
  | { readonly ok: true; readonly atMs: number }
  | {
      readonly ok: false
      readonly atMs: number
      readonly reason: 'refused' | 'timeout' | 'reset' | 'status' | 'redirect' | 'exit' | 'protocol'
      /** What it saw, with the numbers: "answered 500", "connection refused on port 20002". */
      readonly message: string
      readonly status: number | null
      /** When the unbroken run of this same reason and status began; missing: not known. One answer alone proves little. */
      readonly sinceMs?: number
    }

/** How a process ended. `known` false: its parent was gone, so the code could not be read. */
export interface Exit {
  readonly known: boolean
  readonly code: number | null
  readonly signal: string | null
  readonly atMs: number
  readonly outOfMemory: boolean
  /** Why the program could not be started at all, when it could not. */
  readonly startFailure: 'program-not-found' | 'not-executable' | 'wrong-architecture' | 'other' | null
  /** Last lines of its log, oldest first; at most 20. */
  readonly logTail: readonly string[]
  /** Open connections at SIGKILL after the grace period; 0 when it went by itself. */
  readonly cut: number
}

/** One running copy, as its engine sees it now. Times are wall milliseconds. */
export interface ObservedReplica {
  /** Unique within the scope: `web-42-1` (role, revision, ordinal). */
  readonly id: string
  readonly role: string
  readonly revision: number
  readonly host: string | null
  /**
   * Pending: started, never ready yet (or between two restarts). Running: the process is there and has been ready once.
   * Terminating: the stop signal was sent. Exited: gone and not to be restarted; waits for `remove`.
   */
  readonly phase: 'Pending' | 'Running' | 'Terminating' | 'Exited'
  readonly ready: boolean
  readonly readySinceMs: number | null
  readonly startedAtMs: number
  readonly stopSentAtMs: number | null
  readonly address: { readonly host: string; readonly port: number } | null
  readonly pid: number | null
  /** Exits of this replica before it was stopped. */
  readonly restarts: number
  readonly lastExit: Exit | null
  readonly lastProbe: ProbeResult | null
  /** Ports its processes listen on, when they are known: tells "listens on 8080, was told 20002". */
  readonly listens: readonly number[] | null
}

/** How many connections a router gave a target, and how they ended. */
export interface TargetCounts {
  readonly connections: number
  /** Connects that failed before a byte was sent (and went to another target where there was one). */
  readonly refused: number
  /** Connections that the target ended with bytes under way. */
  readonly cut: number
}

/** One address that a router sends to. */
export interface ObservedTarget {
  readonly replica: string
  readonly role: string
  readonly revision: number
  readonly address: { readonly host: string; readonly port: number }
  /** Active: gets new connections. Draining: gets none; confirmed by the router. Down: its process is gone, it left the map by itself. */
  readonly state: 'Active' | 'Draining' | 'Down'
  readonly sinceMs: number
  /** Connections with bytes under way, and open ones. Which reading it is: see ObservedRouter.reading. */
  readonly inFlight: number
  readonly open: number
  readonly counts: TargetCounts
}

/** A snapshot of one scope's targets, as the router process has them. */
export interface ObservedRouter {
  readonly targets: readonly ObservedTarget[]
  /** 'bytes': the userland router's own tables; 'queues': non-empty socket queues in /proc/net/tcp (kernel path); 'requests': L7. */
  readonly reading: 'bytes' | 'queues' | 'requests'
  /** What the router is, for people: `userland`, `nftables`. */
  readonly path: string
}

/** A snapshot of one scope. It makes no choice. */
export interface Observed {
  readonly atMs: number
  readonly replicas: readonly ObservedReplica[]
}
