import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { diskFull } from '../../model/disk-full.ts'
import { DeployError } from '../../model/failure.ts'
import { mismatch } from '../failures.ts'
import type { Inflow } from '../body/inflow.ts'
import { algorithmOf, type DigestAlgorithm, hashLike } from '../digest.ts'
import { takeBytes } from './take-bytes.ts'

/**
 * A blob on its way into the store: bytes are hashed while they are appended, and moved to their place only when the
 * digest is right and they are on the disk. Memory does not grow with the blob.
 */
export class Upload {
  readonly path: string
  readonly #handle: FileHandle
  readonly #algorithm: DigestAlgorithm
  readonly #hash: Hash
  #offset = 0
  #state: 'open' | 'appending' | 'ended' = 'open'

  private constructor(path: string, handle: FileHandle, algorithm: DigestAlgorithm) {
    this.path = path
    this.#handle = handle
    this.#algorithm = algorithm
    this.#hash = createHash(algorithm)
  }

  static async begin(path: string, algorithm: DigestAlgorithm = 'sha256'): Promise<Upload> {
    try {
      return new Upload(path, await open(path, 'wx', 0o600), algorithm)
    } catch (failed) {
      throw diskFull(failed, `beginning an upload at ${path}`)
    }
  }

  /** How many bytes have arrived. */
  get offset(): number {
    return this.#offset
  }

  /** Whether it is over: finished, cancelled, or broken by a full disk. */
  get ended(): boolean {
    return this.#state === 'ended'
  }

  /** Whether bytes are being appended right now: one at a time. */
  get appending(): boolean {
    return this.#state === 'appending'
  }

  /**
   * Appends all of `source`, at most up to `maxBytes` in all. When the source fails, what came before stays and the upload
   * can go on; when writing fails, the upload is over and its bytes are gone. `written` is called when so many more bytes can be
   * read from the file.
   */
  async append(source: Inflow, maxBytes: number, written: (bytes: number) => void = () => {}): Promise<void> {
    if (this.#state !== 'open') throw new Error('this upload is busy or over')
    this.#state = 'appending'
    try {
      await takeBytes(source, {
        each: (chunk) => {
          if (this.#offset + chunk.length > maxBytes) throw tooLong(maxBytes)
          this.#hash.update(chunk)
          this.#offset += chunk.length
        },
        write: async (piece) => {
          await this.#write(piece)
          written(piece.length)
        },
      })
    } finally {
      if (this.#state === 'appending') this.#state = 'open'
    }
  }

  /**
   * Ends the upload: checks the digest, makes the bytes durable and hands the file to `place`, which moves it. Whatever
   * happens, no file of the upload is left.
   */
  async finish(digest: string, place: (path: string) => Promise<void>): Promise<void> {
    try {
      const got = await this.#digest(digest)
      if (got !== digest) throw mismatch(digest, `${got} of ${this.#offset} bytes`)
      await this.#handle.datasync()
      await this.#handle.close()
      await place(this.path)
    } catch (failed) {
      throw diskFull(failed, `storing ${digest}`, this.path)
    } finally {
      await this.discard()
    }
  }

  /** Ends the upload and removes its bytes. Does nothing when it has ended. */
  async discard(): Promise<void> {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    await this.#handle.close().catch(() => {})
    await rm(this.path, { force: true })
  }

  async #write(piece: Uint8Array): Promise<void> {
    try {
      for (let written = 0; written < piece.length; ) {
        written += (await this.#handle.write(piece, written)).bytesWritten
      }
    } catch (failed) {
      const ended = this.#state === 'ended'
      await this.discard()
      throw ended
        ? new Error('this upload was cancelled', { cause: failed })
        : diskFull(failed, 'receiving a blob', this.path)
    }
  }

  /** The digest of what has arrived. Only where another algorithm is asked for than was expected, the file is read again. */
  async #digest(expected: string): Promise<string> {
    const algorithm = algorithmOf(expected)
    if (algorithm === this.#algorithm) return `${algorithm}:${this.#hash.digest('hex')}`
    const hash = hashLike(expected)
    for await (const chunk of createReadStream(this.path)) hash.update(chunk as Uint8Array)
    return `${algorithm}:${hash.digest('hex')}`
  }
}

const tooLong = (maxBytes: number) =>
  new DeployError('IMAGE_INVALID', `the blob is longer than the ${maxBytes} bytes that it may have`, {
    hint: 'Nothing was stored. Check the size that the manifest names.',
    detail: { maxBytes },
  })
