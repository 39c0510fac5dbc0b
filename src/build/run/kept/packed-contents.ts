import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import type { Content } from '../../image/file-entry.ts'

const PART = 2 ** 20

/** Contents of files one after the other in one file: of an ordinary user, who may not read the files of an image's users. */
export class ContentPack {
  readonly #fd: number
  #at = 0

  constructor(path: string) {
    this.#fd = openSync(path, 'wx', 0o600)
  }

  /** Where the next byte goes. */
  get at(): number {
    return this.#at
  }

  add(part: Uint8Array): void {
    for (let done = 0; done < part.length; ) done += writeSync(this.#fd, part, done)
    this.#at += part.length
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** One of them. */
export function packedContent(path: string, at: number, size: number, id: string): Content {
  return {
    size,
    id: () => Promise.resolve(id),
    *chunks() {
      const fd = openSync(path, 'r')
      const hash = createHash('sha256')
      try {
        for (let done = 0; done < size; ) {
          const part = new Uint8Array(Math.min(PART, size - done))
          const count = readSync(fd, part, 0, part.length, at + done)
          if (count === 0) break
          done += count
          hash.update(part.subarray(0, count))
          yield part.subarray(0, count)
        }
      } finally {
        closeSync(fd)
      }
      if (`sha256:${hash.digest('hex')}` !== id) throw new Error(`${path} is damaged`)
    },
  }
}
