import type { RequestCounts } from '../../model/event.ts'
import type { ObservedRouter } from '../../model/observed.ts'
import type { Measured, NotMeasured } from '../../model/receipt.ts'
import type { Release } from '../../model/release.ts'
import type { Rollout } from '../../model/rollout.ts'
import type { ProberRun } from '../../probe/probe.ts'
import type { Place } from '../place.ts'
import { type ReceiptTarget, receiptTarget } from './receipt-target.ts'

/** A request that is not answered within this is lost; longer than any drain of a short request. */
const REQUEST_TIMEOUT_MS = 10_000
const SETTLE_MS = 1000

/** The prober of one rollout: started when the route can answer, stopped once at the end. */
export class Probing {
  readonly #place: Place
  readonly #rollout: Rollout
  readonly #release: Release
  readonly #ended = new AbortController()
  #starting: Promise<ProberRun | null> | null = null
  #settled: Promise<void> | null = null
  #finished: Promise<Measured | NotMeasured> | null = null
  #why: string | null = null
  #run: ProberRun | null = null

  constructor(place: Place, rollout: Rollout, release: Release) {
    this.#place = place
    this.#rollout = rollout
    this.#release = release
  }

  /** Begins to start it, or to adopt the one that a killed server left; before a target is active there is nothing to measure. */
  startWhenServing(router: ObservedRouter): void {
    if (this.#starting !== null) return
    const target = receiptTarget(this.#release.settings, this.#rollout.kind)
    if (target.kind === 'none') {
      this.#why = target.why
      this.#starting = Promise.resolve(null)
    } else if (router.targets.some(({ state }) => state === 'Active')) this.#starting = this.#start(target)
  }

  /** Waits until it measures, or cannot; one moment at most, however often it is asked: a rollout is not held up by its proof. */
  settled(): Promise<void> {
    if (this.#starting === null) return Promise.resolve()
    this.#settled ??= this.#moment(this.#starting)
    return this.#settled
  }

  async #moment(starting: Promise<ProberRun | null>): Promise<void> {
    const over = AbortSignal.any([this.#ended.signal, AbortSignal.timeout(SETTLE_MS)])
    await Promise.race([starting, this.#place.clock.sleep(SETTLE_MS, over).catch(() => {})])
  }

  /** Ends it and sums up; however often it is asked, once. */
  finish(): Promise<Measured | NotMeasured> {
    this.#finished ??= this.#finish()
    return this.#finished
  }

  /** What it has sent and lost until now; null: nothing is measured, or not yet. */
  get counts(): RequestCounts | null {
    return this.#run?.counts() ?? null
  }

  /** Leaves it running for the next process. */
  letGo(): void {
    this.#ended.abort()
  }

  async #start(target: Extract<ReceiptTarget, { kind: 'url' }>): Promise<ProberRun | null> {
    const { prober, router: port, ledger } = this.#place
    const { app, environment, id } = this.#rollout
    const scope = { app, environment }
    const { url, host, rate } = target
    const spec = { url, host, rate, ledger: ledger(scope, id), timeoutMs: REQUEST_TIMEOUT_MS }
    const { signal } = this.#ended
    try {
      this.#run = await prober.start(spec, (ports) => port.servedBy(scope, ports, signal), signal)
      return this.#run
    } catch (failed) {
      // The proof is missing, not the service: the rollout goes on, and its receipt says that nothing was measured.
      this.#why = `the prober could not be started: ${failed instanceof Error ? failed.message : String(failed)}`
      return null
    }
  }

  async #finish(): Promise<Measured | NotMeasured> {
    const { from, to } = this.#rollout
    const run = await this.#starting
    if (run === null) return { kind: 'not-measured', why: this.#why ?? 'nothing served on the route' }
    const measured = await run.stop({ from, to })
    this.#ended.abort()
    return measured
  }
}
