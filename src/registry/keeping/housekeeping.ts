import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { DeployError, failureReport } from '../../model/failure.ts'
import type { KeepingReport, KeepingRequest, RetentionRule } from '../../model/registry-keeping.ts'
import { writeFileAtomic } from '../../os/atomic-file.ts'
import { type Keeping, keepRegistry } from './keep-registry.ts'

/** What a registry does for itself while it serves. */
export interface HousekeepingPlan {
  /** Garbage is collected so often, and when the disk or a quota is full; null: only when somebody asks for it. */
  readonly collectEveryMs: number | null
  /** Tags that go with each collection. */
  readonly rules: readonly RetentionRule[]
  readonly scrubEveryMs: number | null
  /** The most that a scrub reads in a second; null: as fast as the disk is. */
  readonly bytesPerSecond: number | null
}

interface Tools {
  readonly keeping: Keeping
  /** Where it is kept when each was done last, so that a restart does not begin anew. */
  readonly folder: string
  readonly clock: Clock
  /** What was done, or failed. */
  readonly tell: (report: KeepingReport) => void
}

const GRACE_MS = 3_600_000
/** A timer holds at most 24 days; and a wall clock that was put right is noticed. */
const LONGEST_SLEEP_MS = 3_600_000
/** How often a full disk is told, and collected for: what was just used stays for an hour anyway. */
const FULL_MS = 10 * 60_000
/** What failed is tried again after this time, or earlier where it comes more often. */
const AGAIN_MS = 10 * 60_000

/** Collects and scrubs by itself, one after the other, beside everything else that the registry does. */
export class Housekeeping {
  readonly #plan: HousekeepingPlan
  readonly #tools: Tools
  readonly #ending = new AbortController()
  readonly #loops: Promise<void>[] = []
  #turn: Promise<unknown> = Promise.resolve()
  #fullAtMs = Number.NEGATIVE_INFINITY

  constructor(plan: HousekeepingPlan, tools: Tools) {
    this.#plan = plan
    this.#tools = tools
  }

  /** Begins; what should have been done while nobody served is done now. */
  start(): void {
    const { collectEveryMs, scrubEveryMs, bytesPerSecond } = this.#plan
    const scrub: KeepingRequest = { kind: 'scrub', bytesPerSecond, from: null }
    if (collectEveryMs !== null) this.#loops.push(this.#repeat('collected', collectEveryMs, this.#collections()))
    if (scrubEveryMs !== null) this.#loops.push(this.#repeat('scrubbed', scrubEveryMs, [scrub]))
  }

  /** Something could not be kept for want of room: tells of a full disk, and collects, each not too often. */
  full(reason: unknown): void {
    const now = this.#tools.clock.monotonic()
    if (now - this.#fullAtMs < FULL_MS || this.#ending.signal.aborted) return
    this.#fullAtMs = now
    if (reason instanceof DeployError && reason.code === 'DISK_FULL') this.#tools.tell(failed(reason))
    if (this.#plan.collectEveryMs !== null) void this.#all(this.#collections())
  }

  /** Ends what is under way: a later one does the rest. */
  async close(): Promise<void> {
    this.#ending.abort(new Error('the registry is ending'))
    await Promise.all([...this.#loops, this.#turn])
  }

  #collections(): readonly KeepingRequest[] {
    const { rules } = this.#plan
    const collect = (retention: RetentionRule | null): KeepingRequest => {
      return { kind: 'collect', dryRun: false, graceMs: GRACE_MS, retention }
    }
    return rules.length === 0 ? [collect(null)] : rules.map(collect)
  }

  async #repeat(name: string, everyMs: number, requests: readonly KeepingRequest[]): Promise<void> {
    const { clock, folder } = this.#tools
    const { signal } = this.#ending
    const path = join(folder, name)
    let retryMs = 0
    while (!signal.aborted) {
      const leftMs = Math.max(retryMs, (await dueAt(path, everyMs, clock.now())) - clock.now())
      if (leftMs > 0) {
        const slept = Math.min(leftMs, LONGEST_SLEEP_MS)
        await clock.sleep(slept, signal).catch(() => {})
        retryMs = Math.max(0, retryMs - slept)
        continue
      }
      const isDone = (await this.#all(requests)) && (await this.#remember(path))
      if (!isDone) retryMs = Math.min(everyMs, AGAIN_MS)
    }
  }

  /** One after the other, and after what is under way. False: something failed, which was told. */
  #all(requests: readonly KeepingRequest[]): Promise<boolean> {
    const { keeping, tell } = this.#tools
    const { signal } = this.#ending
    const run = async (): Promise<boolean> => {
      try {
        for (const request of requests) tell(await keepRegistry(keeping, request, () => {}, signal))
        return true
      } catch (reason) {
        if (!signal.aborted) tell(failed(reason))
        return false
      }
    }
    const done = this.#turn.then(run)
    this.#turn = done
    return done
  }

  async #remember(path: string): Promise<boolean> {
    const { clock, folder } = this.#tools
    // On a full disk it is done again earlier than it need be.
    return mkdir(folder, { recursive: true, mode: 0o700 })
      .then(() => writeFileAtomic(path, `${clock.now()}\n`, 0o600))
      .then(
        () => true,
        () => false,
      )
  }
}

/** When it is to be done next; what was never done, or in a future that the clock was put back from, is due now. */
async function dueAt(path: string, everyMs: number, nowMs: number): Promise<number> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const lastMs = /^\d+\n$/.test(text) ? Number(text) : 0
  return lastMs > nowMs ? nowMs : lastMs + everyMs
}

function failed(reason: unknown): KeepingReport {
  const { code, message, hint } = failureReport(reason as Error)
  return { kind: 'failed', code, message, hint }
}
