import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, readFileSync } from 'node:fs'
import { open, readFile, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { backoff } from '../lib/backoff.ts'
import type { Clock } from '../lib/clock.ts'
import { makeFolder, writeFileAtomic } from '../os/atomic-file.ts'
import { identify, isAlive, type ProcessIdentity, signalProcess } from '../os/process-identity.ts'
import type { Measured, NotMeasured } from '../model/receipt.ts'
import { type LedgerEntry, parseLedger } from './ledger.ts'
import type { Prober, ProberRun, ProberSpec, ServedBy } from './probe.ts'
import { proberFiles } from './prober-files.ts'
import { servedKey, summarizeLedger } from './summarize-ledger.ts'

/** How often new ledger lines are read and their revisions asked for: well within the time that the router remembers a connection. */
const READ_MS = 200
const START_MS = 5000

export interface ProberOptions {
  /** Program and first arguments of the prober's process, from main.ts. */
  readonly command: readonly string[]
  readonly clock: Clock
}

/** The receipt's prober as a process of its own. */
export const proberProcess = ({ command, clock }: ProberOptions): Prober => ({
  async start(spec, servedBy, signal) {
    const files = proberFiles(spec.ledger)
    await makeFolder(dirname(spec.ledger), 0o700)
    await writeFileAtomic(files.owner, JSON.stringify(identify(process.pid)), 0o600)
    const running = await readIdentity(files.identity)
    if (running === null || !isAlive(running)) {
      launch(command, spec)
      await untilThere(spec, clock, AbortSignal.any([signal, AbortSignal.timeout(START_MS)]))
    }
    return new LedgerRun(spec, servedBy, clock)
  },
})

function launch([program = process.execPath, ...first]: readonly string[], spec: ProberSpec): void {
  const args = [...first, spec.ledger, spec.url, spec.host ?? '-', String(spec.rate), String(spec.timeoutMs)]
  // Detached, and with nothing of ours open: it measures on when this process is killed.
  const child: ChildProcess = spawn(program, args, {
    detached: true,
    stdio: 'ignore',
    env: { PATH: process.env.PATH ?? '' },
  })
  child.on('error', () => {})
  child.unref()
}

async function untilThere({ ledger }: ProberSpec, clock: Clock, signal: AbortSignal): Promise<void> {
  const { identity } = proberFiles(ledger)
  for (const delayMs of backoff(10, 100)) {
    const found = await readIdentity(identity)
    if (found !== null && isAlive(found)) return
    await clock.sleep(delayMs, signal)
  }
}

class LedgerRun implements ProberRun {
  readonly #spec: ProberSpec
  readonly #servedBy: ServedBy
  readonly #clock: Clock
  readonly #ended = new AbortController()
  readonly #served: Map<string, number | null>
  readonly #reading: Promise<void>
  #turn: Promise<void> = Promise.resolve()
  #offset = 0
  #rest = ''
  #sent = 0
  #lost = 0

  constructor(spec: ProberSpec, servedBy: ServedBy, clock: Clock) {
    this.#spec = spec
    this.#servedBy = servedBy
    this.#clock = clock
    this.#served = readServed(proberFiles(spec.ledger).served)
    this.#reading = this.#readOn()
  }

  counts() {
    return { sent: this.#sent, lost: this.#lost }
  }

  async stop({ from, to }: { readonly from: number | null; readonly to: number }): Promise<Measured | NotMeasured> {
    const files = proberFiles(this.#spec.ledger)
    await this.#untilSomethingEnded()
    const prober = await readIdentity(files.identity)
    if (prober !== null && signalProcess(prober, 'SIGTERM')) await this.#untilGone(prober)
    this.#ended.abort()
    await this.#reading
    await this.#readNew()
    const entries = parseLedger(await readFile(files.ledger, 'utf8'))
    const { url, rate } = this.#spec
    const summary = summarizeLedger({ url, rate, entries, served: this.#served, from, to })
    await Promise.all([files.identity, files.owner, files.served].map((path) => rm(path, { force: true })))
    return summary
  }

  /** A rollout may be over before the first answer: one is waited for, a second at most. */
  async #untilSomethingEnded(): Promise<void> {
    const signal = AbortSignal.timeout(1000)
    for (const delayMs of backoff(10, 50)) {
      await this.#readNew()
      if (this.#sent > 0) return
      if (signal.aborted) return
      await this.#clock.sleep(delayMs, new AbortController().signal)
    }
  }

  async #untilGone(prober: ProcessIdentity): Promise<void> {
    const deadline = this.#clock.monotonic() + this.#spec.timeoutMs + 2000
    for (const delayMs of backoff(5, 50)) {
      if (!isAlive(prober)) return
      if (this.#clock.monotonic() > deadline) {
        signalProcess(prober, 'SIGKILL')
        return
      }
      await this.#clock.sleep(delayMs, new AbortController().signal)
    }
  }

  async #readOn(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      await this.#readNew()
      await this.#clock.sleep(READ_MS, this.#ended.signal).catch(() => {})
    }
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
    const ends = parseLedger(text).filter((entry) => entry.kind === 'answered' || entry.kind === 'lost')
    this.#sent += ends.length
    this.#lost += ends.filter(({ kind }) => kind === 'lost').length
    const unknown = ends.filter((entry) => entry.kind === 'answered' && !this.#served.has(servedKey(entry)))
    if (unknown.length > 0) await this.#learn(unknown)
  }

  async #newText(): Promise<string> {
    const handle = await open(this.#spec.ledger, 'r').catch(() => null)
    if (handle === null) return ''
    try {
      const { size } = await handle.stat()
      const buffer = Buffer.alloc(Math.max(0, size - this.#offset))
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, this.#offset)
      this.#offset += bytesRead
      return buffer.toString('utf8', 0, bytesRead)
    } finally {
      await handle.close()
    }
  }

  async #learn(entries: readonly Extract<LedgerEntry, { port: number }>[]): Promise<void> {
    // A router that cannot say leaves them unknown: never guessed.
    const revisions = await this.#servedBy(entries.map(({ port }) => port)).catch(() => [])
    const lines = entries.map((entry, index) => {
      const revision = revisions[index] ?? null
      this.#served.set(servedKey(entry), revision)
      return `${servedKey(entry)} ${revision ?? '-'}\n`
    })
    appendFileSync(proberFiles(this.#spec.ledger).served, lines.join(''), { mode: 0o600 })
  }
}

function readServed(path: string): Map<string, number | null> {
  let text = ''
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return new Map()
  }
  const lines = text.split('\n').filter((line) => line.split(' ').length === 3)
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ')[2]) || null]))
}

async function readIdentity(path: string): Promise<ProcessIdentity | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ProcessIdentity
  } catch {
    return null
  }
}
