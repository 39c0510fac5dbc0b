import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../harness/eventually.ts'

const ENV = { PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
const NEEDS: readonly (readonly [is: boolean, what: string])[] = [
  [process.getuid?.() === 0, 'root'],
  [existsSync('/dev/loop-control'), 'loop devices'],
  [['/sbin/mkfs.ext4', '/usr/sbin/mkfs.ext4'].some((path) => existsSync(path)), 'mkfs.ext4'],
]

/** Why there can be no such disk here; null: there can. */
export const whyNoLoopDisk: string | null = NEEDS.filter(([is]) => !is).map(([, what]) => `needs ${what}`)[0] ?? null

/**
 * A disk whose power can be cut: ext4 in a file. What the file holds at a moment is what the kernel has written by then; what
 * was not synced is in the kernel's memory only. Its own timer is as good as off, so that nothing is written but what is synced.
 */
export class LoopDisk {
  /** Where it is mounted. From now on temporary folders of this process are on it. */
  readonly folder: string
  readonly #outer: string
  readonly #before: string | undefined

  constructor(megabytes: number) {
    this.#outer = mkdtempSync(join(tmpdir(), 'naru-disk-'))
    // Short: the path of a unix socket has 107 bytes.
    this.folder = mkdtempSync(join(tmpdir(), 'np-'))
    writeFileSync(this.#image, '')
    truncateSync(this.#image, megabytes * 2 ** 20)
    const quick = ['-E', 'lazy_itable_init=1,lazy_journal_init=1']
    execFileSync('mkfs.ext4', ['-q', '-F', ...quick, this.#image], { env: ENV })
    this.#mount()
    this.#before = process.env.TMPDIR
    process.env.TMPDIR = this.folder
  }

  /** A folder that is not on it. */
  get elsewhere(): string {
    return this.#outer
  }

  /** Keeps what a power cut at this moment would leave. Nothing may be written meanwhile: its processes are stopped. */
  keep(pids: readonly number[]): void {
    const stopped = pids.filter((pid) => signal(pid, 'SIGSTOP'))
    try {
      copyFileSync(this.#image, this.#kept)
    } finally {
      for (const pid of stopped) signal(pid, 'SIGCONT')
    }
  }

  /** The disk after the power cut. Everything on it has ended. */
  async cut(): Promise<void> {
    await this.#unmount()
    renameSync(this.#kept, this.#image)
    this.#mount()
  }

  async close(): Promise<void> {
    if (this.#before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = this.#before
    await this.#unmount()
    for (const path of [this.folder, this.#outer]) rmSync(path, { recursive: true, force: true })
  }

  #mount(): void {
    execFileSync('mount', ['-o', 'loop,commit=600', this.#image, this.folder])
  }

  /** Whoever used it may still be on the way out. */
  #unmount(): Promise<Buffer> {
    return eventually(() => execFileSync('umount', [this.folder], { stdio: 'pipe' }), { timeout: 20_000 })
  }

  get #image(): string {
    return join(this.#outer, 'disk')
  }

  get #kept(): string {
    return join(this.#outer, 'kept')
  }
}

/** False: it has gone meanwhile. */
function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}
