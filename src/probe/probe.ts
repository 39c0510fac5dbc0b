import type { HealthCheck } from '../model/app.ts'
import type { RequestCounts } from '../model/event.ts'
import type { ProbeResult } from '../model/observed.ts'
import type { Measured, NotMeasured } from '../model/receipt.ts'

/** Asks one replica once. */
export interface ReadinessProbe {
  /** One attempt of a check that needs only the network (http, tcp); never throws but for abort. `run` checks belong to the engine. */
  check(
    address: { readonly host: string; readonly port: number },
    check: HealthCheck,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ProbeResult>
}

/** What the receipt's prober sends, and where its ledger is. */
export interface ProberSpec {
  /** Through the real route: `http://127.0.0.1:8080/healthz`. */
  readonly url: string
  readonly host: string | null
  /** Requests a second, open loop. */
  readonly rate: number
  /** Append-only; survives the server. */
  readonly ledger: string
  /** A request without an answer after this long is lost. */
  readonly timeoutMs: number
}

/** Which revisions served the connections with these source ports; asked soon after each answer. */
export type ServedBy = (sourcePorts: readonly number[]) => Promise<readonly (number | null)[]>

/** The receipt's prober: a process of its own that outlives the server; a second start of the same ledger adopts the first. */
export interface Prober {
  /** Starts the process, or adopts the one that already writes this ledger (a gap between two is told in the summary). */
  start(spec: ProberSpec, servedBy: ServedBy, signal: AbortSignal): Promise<ProberRun>
}

/** A prober at work, seen from the server. */
export interface ProberRun {
  /** Requests sent and lost so far: for the live view. */
  counts(): RequestCounts
  /** Stops sending, waits for what is under way (at most the time-out), reads the whole ledger, and sums up. */
  stop(revisions: { readonly from: number | null; readonly to: number }): Promise<Measured | NotMeasured>
}
