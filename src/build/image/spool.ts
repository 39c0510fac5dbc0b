import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { diskFull } from '../../model/disk-full.ts'

/** What is larger than this goes to a temporary file. */
const MOST_IN_MEMORY = 4 * 2 ** 20

/** Takes bytes once and gives them again as often as asked: in memory while they are few, else in a file that is removed. */
export class Spool extends Writable {
  readonly #folder: string
  #parts: Uint8Array[] = []
  #size = 0
  #file: { readonly path: string; readonly handle: FileHandle } | null = null

  /** `folder`: for the temporary file; made when needed. */
  constructor(folder: string) {
    super({ highWaterMark: 2 ** 20 })
    this.#folder = folder
  }

  get size(): number {
    return this.#size
  }

  override _write(part: Uint8Array, _encoding: string, done: (failed?: Error | null) => void): void {
    this.#take(part).then(
      () => done(),
      (failed: unknown) => done(diskFull(failed, `writing a layer to ${this.#folder}`) as Error),
    )
  }

  /** The bytes from their start; after the stream has finished. */
  read(): Readable {
    return this.#file === null ? Readable.from(this.#parts) : createReadStream(this.#file.path)
  }

  /** Removes what it holds. Doing it twice is fine. */
  async discard(): Promise<void> {
    this.#parts = []
    const file = this.#file
    this.#file = null
    if (file === null) return
    await file.handle.close()
    await rm(file.path, { force: true })
  }

  async #take(part: Uint8Array): Promise<void> {
    this.#size += part.length
    if (this.#file === null) {
      this.#parts.push(part)
      if (this.#size <= MOST_IN_MEMORY) return
      await mkdir(this.#folder, { recursive: true })
      const path = join(this.#folder, `${randomBytes(8).toString('hex')}.part`)
      this.#file = { path, handle: await open(path, 'wx', 0o600) }
      await this.#file.handle.writeFile(Buffer.concat(this.#parts))
      this.#parts = []
      return
    }
    await this.#file.handle.writeFile(part)
  }
}
