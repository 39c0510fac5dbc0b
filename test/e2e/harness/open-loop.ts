import { Agent, request } from 'node:http'
import { performance } from 'node:perf_hooks'

/** How one request ended. */
export interface Entry {
  readonly atMs: number
  readonly status: number | null
  /** null: answered. */
  readonly lost: string | null
  readonly revision: string | null
  readonly version: string | null
}

/**
 * A client that is no part of Naru: request n is sent at its time whether or not those before it were answered, every second
 * one on a new connection, and each ends in the ledger.
 */
export class OpenLoop {
  readonly entries: Entry[] = []
  readonly #url: string
  readonly #rate: number
  readonly #kept = new Agent({ keepAlive: true, maxSockets: 16 })
  readonly #began = performance.now()
  #sent = 0
  #underWay = 0
  #stopping = false
  #timer: NodeJS.Timeout | undefined
  #done = Promise.withResolvers<void>()

  constructor(url: string, rate: number) {
    this.#url = url
    this.#rate = rate
    this.#tick()
  }

  /** Stops sending, waits for what is under way, and answers the requests that were lost. */
  async stop(): Promise<readonly Entry[]> {
    this.#stopping = true
    clearTimeout(this.#timer)
    if (this.#underWay > 0) await this.#done.promise
    this.#kept.destroy()
    return this.lost
  }

  get lost(): readonly Entry[] {
    return this.entries.filter(({ lost }) => lost !== null)
  }

  /** How many requests each revision answered. */
  get byRevision(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { revision } of this.entries) if (revision !== null) counts[revision] = (counts[revision] ?? 0) + 1
    return counts
  }

  #tick(): void {
    if (this.#stopping) return
    const due = Math.floor(((performance.now() - this.#began) / 1000) * this.#rate)
    // What the machine slept through is not sent in one burst.
    this.#sent = Math.max(this.#sent, due - this.#rate)
    while (this.#sent <= due) this.#send(this.#sent++)
    this.#timer = setTimeout(() => this.#tick(), 1000 / this.#rate)
  }

  #send(n: number): void {
    this.#underWay++
    const atMs = Date.now()
    const agent = n % 2 === 0 ? this.#kept : undefined
    const end = (entry: Omit<Entry, 'atMs'>) => {
      this.entries.push({ atMs, ...entry })
      if (--this.#underWay === 0 && this.#stopping) this.#done.resolve()
    }
    let isOver = false
    const once = (entry: Omit<Entry, 'atMs'>) => {
      if (!isOver) end(entry)
      isOver = true
    }
    const lose = (why: string) => once({ status: null, lost: why, revision: null, version: null })
    const asked = request(this.#url, { agent: agent ?? false, timeout: 10_000 }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('aborted', () => lose('incomplete'))
      response.on('error', () => lose('incomplete'))
      response.on('end', () => {
        const status = response.statusCode ?? 0
        if (status >= 500) return once({ status, lost: `status ${status}`, revision: null, version: null })
        return once({ status, lost: null, ...said(text) })
      })
    })
    asked.on('timeout', () => asked.destroy(new Error('timeout')))
    asked.on('error', (failed: NodeJS.ErrnoException) => lose(failed.code ?? failed.message))
    asked.end()
  }
}

function said(text: string): { revision: string | null; version: string | null } {
  try {
    const { revision, version } = JSON.parse(text) as { revision: string; version: string }
    return { revision, version }
  } catch {
    return { revision: null, version: null }
  }
}
