import type { GitProgram } from '../git-program.ts'
import { type ObjectCall, ObjectReader } from './object-reader.ts'
import { readObjects, type ReadObject } from './read-objects.ts'

/** A reader that nobody used for so long ends: it keeps packs open, and its folder from being unmounted. */
const IDLE_MS = 60_000
/** Of all repositories together; each is a process of some MB. */
const MOST_IDLE = 8

/** A reader for one user at a time. */
export interface LentReader {
  readonly reader: ObjectReader
  /** Doing it twice is fine. */
  giveBack(): void
}

interface Kept {
  readonly gitDir: string
  readonly reader: ObjectReader
  readonly timer: NodeJS.Timeout
}

/**
 * Readers that stay open between builds, since to start git takes longer than what it is asked. Our own process does not stay
 * for them, and they end with it.
 */
export class KeptReaders {
  readonly #git: GitProgram
  readonly #idleMs: number
  #idle: readonly Kept[] = []

  constructor(git: GitProgram, idleMs = IDLE_MS) {
    this.#git = git
    this.#idleMs = idleMs
  }

  lend(gitDir: string): LentReader {
    const kept = this.#idle.findLast((one) => one.gitDir === gitDir && one.reader.isUsable)
    if (kept !== undefined) this.#take(kept)
    kept?.reader.keepsAlive(true)
    return this.#lent(gitDir, kept?.reader ?? new ObjectReader(this.#git, gitDir))
  }

  /** One object; null: the repository does not have it. Throws SOURCE_*. */
  async object(gitDir: string, id: string, call: ObjectCall): Promise<ReadObject | null> {
    if (!this.#idle.some((one) => one.gitDir === gitDir)) return this.#ask(gitDir, id, call)
    // A reader may have been killed, and the repository made anew since it looked at it.
    const found = await this.#ask(gitDir, id, call).catch(() => null)
    if (found !== null) return found
    this.forget(gitDir)
    return this.#ask(gitDir, id, call)
  }

  /** Ends those that are not in use. */
  forget(gitDir: string): void {
    for (const kept of this.#idle) if (kept.gitDir === gitDir) this.#end(kept)
  }

  async #ask(gitDir: string, id: string, call: ObjectCall): Promise<ReadObject | null> {
    const lent = this.lend(gitDir)
    try {
      return (await readObjects(lent.reader, [id], call)).get(id) ?? null
    } finally {
      lent.giveBack()
    }
  }

  #lent(gitDir: string, reader: ObjectReader): LentReader {
    let isLent = true
    return {
      reader,
      giveBack: () => {
        if (isLent) this.#keep(gitDir, reader)
        isLent = false
      },
    }
  }

  #keep(gitDir: string, reader: ObjectReader): void {
    if (!reader.isUsable) {
      void reader.close()
      return
    }
    reader.keepsAlive(false)
    const kept = { gitDir, reader, timer: setTimeout(() => this.#end(kept), this.#idleMs).unref() }
    this.#idle = [...this.#idle, kept]
    for (const old of this.#idle.slice(0, -MOST_IDLE)) this.#end(old)
  }

  #take(kept: Kept): void {
    clearTimeout(kept.timer)
    this.#idle = this.#idle.filter((one) => one !== kept)
  }

  #end(kept: Kept): void {
    this.#take(kept)
    void kept.reader.close()
  }
}
