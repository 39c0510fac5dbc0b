import type { ObservedRouter } from '../model/observed.ts'
import type { Measured, NotMeasured } from '../model/receipt.ts'
import type { Release } from '../model/release.ts'
import type { Rollout } from '../model/rollout.ts'
import type { ProberRun } from '../probe/probe.ts'
import type { Place } from './place.ts'
import { receiptTarget } from './receipt-target.ts'

/** A request that is not answered within this is lost; longer than any drain of a short request. */
const REQUEST_TIMEOUT_MS = 10_000

/** The prober of one rollout: started when the route can answer, stopped once at the end. */
export class Probing {
  readonly #place: Place
  readonly #rollout: Rollout
  readonly #release: Release
  readonly #signal: AbortSignal
  #run: ProberRun | null = null
  #why: string | null = null

  constructor(place: Place, rollout: Rollout, release: Release, signal: AbortSignal) {
    this.#place = place
    this.#rollout = rollout
    this.#release = release
    this.#signal = signal
  }

  /** Starts it, or adopts the one that a killed server left; before a target is active there is nothing to measure. */
  async startWhenServing(router: ObservedRouter): Promise<void> {
    if (this.#run !== null || this.#why !== null) return
    const target = receiptTarget(this.#release.settings)
    if (target.kind === 'none') this.#why = target.why
    if (target.kind === 'none' || !router.targets.some(({ state }) => state === 'Active')) return
    const { prober, router: port, ledger } = this.#place
    const { app, environment, id } = this.#rollout
    const scope = { app, environment }
    const spec = {
      url: target.url,
      host: target.host,
      rate: target.rate,
      ledger: ledger(scope, id),
      timeoutMs: REQUEST_TIMEOUT_MS,
    }
    try {
      this.#run = await prober.start(spec, (ports) => port.servedBy(scope, ports, this.#signal), this.#signal)
    } catch (failed) {
      // The proof is missing, not the service: the rollout goes on, and its receipt says that nothing was measured.
      this.#why = `the prober could not be started: ${failed instanceof Error ? failed.message : String(failed)}`
    }
  }

  /** Sent and lost so far, for the live view; null: not running. */
  counts(): { readonly sent: number; readonly lost: number } | null {
    return this.#run?.counts() ?? null
  }

  /** Ends it and sums up. */
  async finish(): Promise<Measured | NotMeasured> {
    const { from, to } = this.#rollout
    if (this.#run === null) return { kind: 'not-measured', why: this.#why ?? 'nothing served on the route' }
    return this.#run.stop({ from, to })
  }
}
