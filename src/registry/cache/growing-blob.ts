import type { ServerResponse } from 'node:http'
import { open } from 'node:fs/promises'
import { ignoreMissing } from '../disk/store-folder.ts'
import type { ByteRoom } from '../server/byte-room.ts'
import { pieceSize, write } from '../server/send-file.ts'

/** A blob that is coming: as many as like are sent what has arrived, and wait for the rest. */
export class GrowingBlob {
  readonly size: number
  /** Resolves when all of it has come: true where it is stored now, false where there is no room for it here. Rejects when it cannot be had. */
  readonly stored: Promise<boolean>
  readonly #path: string
  #written = 0
  #failed: { readonly reason: unknown } | null = null
  #grown = Promise.withResolvers<void>()

  /** `path`: the file that grows. `store` fills it, calls `grew`, and resolves when the blob is in its place (true) or is not to be kept. */
  constructor(path: string, size: number, store: (grew: (bytes: number) => void) => Promise<boolean>) {
    this.#path = path
    this.size = size
    this.stored = store((bytes) => {
      this.#written += bytes
      this.#wake()
    })
    this.stored.catch((reason: unknown) => {
      this.#failed = { reason }
      this.#wake()
    })
  }

  /**
   * Sends the whole blob as the body of an answer; `begin` sends its head. False: all of it had come before, and nothing was sent. Throws when
   * it cannot be had: its last bytes come only after its digest was found right, so that nobody takes a wrong one for whole.
   */
  async sendTo(begin: () => ServerResponse, room: ByteRoom): Promise<boolean> {
    const handle = await open(this.#path, 'r').catch(ignoreMissing)
    if (handle === null) return false
    try {
      await this.#until(1)
      const response = begin()
      using share = room.share()
      const most = pieceSize(share, this.size, 1)
      for (let at = 0; at < this.size; ) {
        const there = await this.#until(at + 1)
        // What was sent may be read into again: one piece is under way at a time.
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(Math.min(most, there - at)), 0, null, at)
        await write(response, buffer.subarray(0, bytesRead))
        at += bytesRead
      }
      response.end()
      return true
    } finally {
      await handle.close()
    }
  }

  /** Waits until so many bytes can be read; answers how many can. */
  async #until(bytes: number): Promise<number> {
    while (this.#written < Math.min(bytes, this.size)) {
      if (this.#failed !== null) throw this.#failed.reason
      await this.#grown.promise
    }
    return this.#written
  }

  #wake(): void {
    this.#grown.resolve()
    this.#grown = Promise.withResolvers()
  }
}
