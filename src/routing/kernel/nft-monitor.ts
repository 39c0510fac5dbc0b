import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { backoff } from '../../lib/backoff.ts'
import { nftEnv } from './nft-session.ts'

const RESTART_MS = 1000
/** A monitor that hears nothing of so many changes will not hear of others. */
const ATTEMPTS = 50

export interface NftMonitorOptions {
  readonly program: string
  /** As in commands: `inet naru_1a2b`. */
  readonly table: string
  /** Something of the table was taken away, by whomever; also said when listening begins: what happened before was not heard. */
  readonly changed: () => void
  /** Makes a change that the monitor hears of, and that changes nothing. */
  readonly touch: () => Promise<void>
}

/** Hears of every flush and reload of another tool. `nft monitor` does not say when it listens: it is given something to hear until it does. */
export class NftMonitor {
  readonly #options: NftMonitorOptions
  readonly #ended = new AbortController()
  #child: ChildProcess | null = null

  constructor(options: NftMonitorOptions) {
    this.#options = options
    this.#start()
  }

  close(): void {
    this.#ended.abort()
    this.#child?.kill('SIGKILL')
  }

  #start(): void {
    const { program, table, changed } = this.#options
    const child = spawn(program, ['monitor', 'destroy'], { stdio: ['ignore', 'pipe', 'ignore'], env: nftEnv() })
    this.#child = child
    const listening = new AbortController()
    child.once('error', () => {})
    child.once('close', () => {
      listening.abort()
      if (!this.#ended.signal.aborted) setTimeout(() => this.#restart(), RESTART_MS).unref()
    })
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.includes(` ${table} `) && !line.endsWith(` ${table}`)) return
      listening.abort()
      changed()
    })
    this.#untilListening(AbortSignal.any([listening.signal, this.#ended.signal])).catch(() => {})
  }

  #restart(): void {
    if (!this.#ended.signal.aborted) this.#start()
  }

  /** Rejects when the signal ends it: that is its success. */
  async #untilListening(signal: AbortSignal): Promise<void> {
    let attempts = 0
    for (const ms of backoff()) {
      await delay(ms, undefined, { signal })
      await this.#options.touch().catch(() => {})
      if (++attempts === ATTEMPTS) return
    }
  }
}
