import { appendFileSync, readFileSync } from 'node:fs'
import type { LedgerEntry } from './ledger.ts'
import type { ServedBy } from './probe.ts'
import { servedKey } from './summarize-ledger.ts'

type Answered = Extract<LedgerEntry, { kind: 'answered' }>

/** Which revision served which request, asked of the router while it still knows, and written down for a successor of this process. */
export class ServedLog {
  readonly #path: string
  readonly #servedBy: ServedBy
  readonly #revisions: Map<string, number | null>

  constructor(path: string, servedBy: ServedBy) {
    this.#path = path
    this.#servedBy = servedBy
    this.#revisions = readServed(path)
  }

  /** By `servedKey`; null: nobody knows. */
  get revisions(): ReadonlyMap<string, number | null> {
    return this.#revisions
  }

  /** Asks for those that are new. A router that cannot say leaves them unknown: never guessed. Never throws. */
  async learn(entries: readonly Answered[]): Promise<void> {
    const unknown = entries.filter((entry) => !this.#revisions.has(servedKey(entry)))
    if (unknown.length === 0) return
    const revisions = await this.#servedBy(unknown.map(({ port }) => port)).catch(() => [])
    const lines = unknown.map((entry, index) => {
      const revision = revisions[index] ?? null
      this.#revisions.set(servedKey(entry), revision)
      return `${servedKey(entry)} ${revision ?? '-'}\n`
    })
    try {
      appendFileSync(this.#path, lines.join(''), { mode: 0o600 })
    } catch {
      // A full disk: only a successor would miss these lines, and then call them unknown.
    }
  }
}

function readServed(path: string): Map<string, number | null> {
  let text = ''
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return new Map()
  }
  const lines = text.split('\n').map((line) => line.split(' '))
  return new Map(
    lines.flatMap(([atMs, port, revision, ...more]) =>
      revision === undefined || more.length > 0 ? [] : [[`${atMs} ${port}`, Number(revision) || null] as const],
    ),
  )
}
