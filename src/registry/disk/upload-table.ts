import { randomUUID } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import type { DigestAlgorithm } from '../digest.ts'
import type { StoreFolder } from './store-folder.ts'
import { Upload } from './upload.ts'

/**
 * Uploads that may be open at a time, how many of them by one account, and how long one may be idle: what a client that goes away can
 * cost (A14). Where a limit is reached, one that was idle for `crowdedMs` makes room for the next.
 */
export const UPLOAD_LIMITS = { open: 256, each: 128, idleMs: 30 * 60_000, crowdedMs: 60_000 } as const

interface Session {
  readonly repository: string
  /** Account; null: anybody. */
  readonly owner: string | null
  readonly upload: Upload
  /** Wall clock, as the times of files. */
  readonly beganAtMs: number
  usedAtMs: number
}

/** Uploads over HTTP, which take several requests each. They survive no restart: a client begins again. */
export class UploadTable {
  readonly #folder: StoreFolder
  readonly #clock: Clock
  readonly #sessions = new Map<string, Session>()
  /** When uploads began that have no session: those of this process itself. */
  readonly #others = new Set<{ readonly beganAtMs: number }>()

  constructor(folder: StoreFolder, clock: Clock) {
    this.#folder = folder
    this.#clock = clock
  }

  /** Begins an upload of an account (null: of anybody) and answers its id; null when too many are open. */
  async begin(repository: string, algorithm: DigestAlgorithm, owner: string | null = null): Promise<string | null> {
    await this.expire()
    if (!(await this.#makeRoom(owner))) return null
    const upload = await Upload.begin(this.#folder.temporaryPath(), algorithm)
    const id = randomUUID()
    this.#sessions.set(id, {
      repository,
      owner,
      upload,
      beganAtMs: this.#clock.now(),
      usedAtMs: this.#clock.monotonic(),
    })
    return id
  }

  /** Tells of an upload that is not in the table; call what it answers when that has ended. */
  accompany(): () => void {
    const other = { beganAtMs: this.#clock.now() }
    this.#others.add(other)
    return () => void this.#others.delete(other)
  }

  /** Bytes that have arrived of uploads in progress, to one repository or (null) to any. */
  openBytes(repository: string | null): number {
    let bytes = 0
    for (const session of this.#sessions.values()) {
      if (repository === null || session.repository === repository) bytes += session.upload.offset
    }
    return bytes
  }

  /** When the oldest upload in progress began, by the wall clock; null: none is. */
  oldestMs(): number | null {
    const began = [...this.#sessions.values(), ...this.#others].map(({ beganAtMs }) => beganAtMs)
    return began.length === 0 ? null : Math.min(...began)
  }

  /** The upload of that id in that repository, or null. It counts as used now. */
  get(repository: string, id: string): Upload | null {
    const session = this.#sessions.get(id)
    if (session === undefined || session.repository !== repository) return null
    if (session.upload.ended) {
      this.#sessions.delete(id)
      return null
    }
    session.usedAtMs = this.#clock.monotonic()
    return session.upload
  }

  /** Forgets an upload and removes its bytes. */
  async end(id: string): Promise<void> {
    const session = this.#sessions.get(id)
    this.#sessions.delete(id)
    await session?.upload.discard()
  }

  /** Ends what has been idle for too long. */
  async expire(): Promise<void> {
    const oldest = this.#clock.monotonic() - UPLOAD_LIMITS.idleMs
    for (const [id, session] of this.#sessions) {
      if (session.upload.ended || (session.usedAtMs < oldest && !session.upload.appending)) await this.end(id)
    }
  }

  /** False: as many are open as may be, and all of them are in use. */
  async #makeRoom(owner: string | null): Promise<boolean> {
    const own = [...this.#sessions].filter(([, session]) => owner !== null && session.owner === owner)
    const isFull = own.length >= UPLOAD_LIMITS.each
    if (!isFull && this.#sessions.size < UPLOAD_LIMITS.open) return true
    const idle = (isFull ? own : [...this.#sessions])
      .filter(
        ([, { upload, usedAtMs }]) => !upload.appending && usedAtMs < this.#clock.monotonic() - UPLOAD_LIMITS.crowdedMs,
      )
      .sort(([, a], [, b]) => a.usedAtMs - b.usedAtMs)
    const [longest] = idle
    if (longest !== undefined) await this.end(longest[0])
    return longest !== undefined
  }

  async close(): Promise<void> {
    for (const id of this.#sessions.keys()) await this.end(id)
  }
}
