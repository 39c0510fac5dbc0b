import { open, readFile, rm } from 'node:fs/promises'
import { backoff } from '../lib/backoff.ts'
import type { Clock } from '../lib/clock.ts'
import type { Measured, NotMeasured } from '../model/receipt.ts'
import { goneWithin } from '../os/gone-within.ts'
import { isAlive, type ProcessIdentity, signalProcess } from '../os/process-identity.ts'
import { parseLedger } from './ledger.ts'
import type { ProberRun, ProberSpec, ServedBy } from './probe.ts'
import { proberFiles, readIdentity } from './prober-files.ts'
import { ServedLog } from './served-log.ts'
import { summarizeLedger } from './summarize-ledger.ts'

/** How often new ledger lines are read and their revisions asked for: well within the time that the router remembers a connection. */
const READ_MS = 200
/** How soon a prober that was killed is started again, at the earliest. */
const RESTART_MS = 1000
const NEVER = new AbortController().signal

/** What a run needs besides its spec. */
export interface LedgerRunOptions {
  readonly servedBy: ServedBy
  readonly clock: Clock
  /** Starts a process for the ledger; one that is there already makes the new one end at once. */
  readonly launch: () => void
  /** Aborted: the rollout is no longer this process's; the prober is left to whoever takes it over. */
  readonly signal: AbortSignal
}

/** One prober from the server's side: reads its ledger, learns who served, keeps it running, and sums up. */
export class LedgerRun implements ProberRun {
  readonly #spec: ProberSpec
  readonly #clock: Clock
  readonly #launch: () => void
  readonly #ended = new AbortController()
  /** Until when the ledger is followed. */
  readonly #followed: AbortSignal
  readonly #served: ServedLog
  readonly #reading: Promise<void>
  #turn: Promise<void> = Promise.resolve()
  #offset = 0
  #rest = ''
  #sent = 0
  #lost = 0
  #launchedAt: number

  constructor(spec: ProberSpec, { servedBy, clock, launch, signal }: LedgerRunOptions) {
    this.#spec = spec
    this.#clock = clock
    this.#launch = launch
    this.#launchedAt = clock.monotonic()
    this.#followed = AbortSignal.any([signal, this.#ended.signal])
    this.#served = new ServedLog(proberFiles(spec.ledger).served, servedBy)
    this.#reading = this.#readOn()
  }

  counts() {
    return { sent: this.#sent, lost: this.#lost }
  }

  async stop({ from, to }: { readonly from: number | null; readonly to: number }): Promise<Measured | NotMeasured> {
    const files = proberFiles(this.#spec.ledger)
    await this.#untilSomethingEnded()
    this.#ended.abort()
    await this.#reading
    const untilMs = this.#clock.now()
    const prober = readIdentity(files.identity)
    if (prober !== null && signalProcess(prober, 'SIGTERM')) await this.#untilGone(prober)
    await this.#readNew()
    const entries = parseLedger(await readFile(files.ledger, 'utf8').catch(() => ''))
    const { url, rate } = this.#spec
    // Ledger and log stay: who is killed before the receipt is stored sums them up again.
    await Promise.all([files.identity, files.owner].map((path) => rm(path, { force: true })))
    return summarizeLedger({ url, rate, entries, served: this.#served.revisions, from, to, untilMs })
  }

  /** A rollout may be over before the first answer: one is waited for, a second at most. */
  async #untilSomethingEnded(): Promise<void> {
    const deadline = this.#clock.monotonic() + 1000
    for (const delayMs of backoff(10, 50)) {
      if (this.#sent === 0) await this.#readNew()
      if (this.#sent > 0 || this.#clock.monotonic() > deadline) return
      await this.#pause(delayMs)
    }
  }

  async #untilGone(prober: ProcessIdentity): Promise<void> {
    const isGone = await goneWithin(prober, this.#spec.timeoutMs + 2000, this.#clock, NEVER)
    if (!isGone) signalProcess(prober, 'SIGKILL')
  }

  async #readOn(): Promise<void> {
    while (!this.#followed.aborted) {
      await this.#readNew()
      if (!this.#followed.aborted) this.#keepRunning()
      await this.#clock.sleep(READ_MS, this.#followed).catch(() => {})
    }
  }

  /** A prober that was killed is started again: the rest is measured, and what lies between is a gap. */
  #keepRunning(): void {
    const prober = readIdentity(proberFiles(this.#spec.ledger).identity)
    const nowMs = this.#clock.monotonic()
    if ((prober !== null && isAlive(prober)) || nowMs - this.#launchedAt < RESTART_MS) return
    this.#launchedAt = nowMs
    this.#launch()
  }

  /** One reading at a time: each goes on where the one before it ended. */
  #readNew(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#readLines())
    return this.#turn
  }

  /** Reads what is new, and learns which revisions served it while the router still knows. */
  async #readLines(): Promise<void> {
    const text = this.#rest + (await this.#newText())
    this.#rest = text.slice(text.lastIndexOf('\n') + 1)
    const entries = parseLedger(text)
    const answered = entries.filter((entry) => entry.kind === 'answered')
    const lost = entries.filter(({ kind }) => kind === 'lost')
    this.#sent += answered.length + lost.length
    this.#lost += lost.length
    await this.#served.learn(answered)
  }

  /** '' also where it cannot be read now: the next reading goes on at the same place. */
  async #newText(): Promise<string> {
    const handle = await open(this.#spec.ledger, 'r').catch(() => null)
    if (handle === null) return ''
    try {
      const { size } = await handle.stat()
      const buffer = Buffer.alloc(Math.max(0, size - this.#offset))
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, this.#offset)
      this.#offset += bytesRead
      return buffer.toString('latin1', 0, bytesRead)
    } catch {
      return ''
    } finally {
      await handle.close()
    }
  }

  /** Between two looks at what has no event: it is bounded by a deadline of its own. */
  #pause(ms: number): Promise<void> {
    return this.#clock.sleep(ms, new AbortController().signal)
  }
}
