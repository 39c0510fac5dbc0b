import { execFileSync } from 'node:child_process'
import { closeSync, fsyncSync, mkdtempSync, openSync, rmdirSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const BLOCK = Buffer.alloc(64 * 1024, 1)

/** A file system of its own with a size, on which stages are opened; it can be filled up and emptied again. */
export class SmallDisk {
  readonly folder: string
  readonly #outer: string | undefined

  /** Needs root. From now on temporary folders of this process are on it. */
  constructor(megabytes: number) {
    this.folder = mkdtempSync(join(tmpdir(), 'nf-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'naru-test', this.folder])
    this.#outer = process.env.TMPDIR
    process.env.TMPDIR = this.folder
  }

  /** Takes everything but so many bytes. */
  fill(leave: number): void {
    const file = openSync(this.#ballast, 'w')
    try {
      for (let free = this.#free(); free > leave; free = this.#free()) {
        writeSync(file, BLOCK, 0, Math.max(4096, Math.min(BLOCK.length, free - leave)))
      }
      fsyncSync(file)
    } catch (failed) {
      if ((failed as NodeJS.ErrnoException).code !== 'ENOSPC') throw failed
    } finally {
      closeSync(file)
    }
  }

  empty(): void {
    rmSync(this.#ballast, { force: true })
  }

  close(): void {
    if (this.#outer === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = this.#outer
    execFileSync('umount', [this.folder])
    rmdirSync(this.folder)
  }

  get #ballast(): string {
    return join(this.folder, 'ballast')
  }

  #free(): number {
    const { bavail, bsize } = statfsSync(this.folder)
    return bavail * bsize
  }
}
