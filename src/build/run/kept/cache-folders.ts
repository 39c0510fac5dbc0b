import { createHash } from 'node:crypto'
import { mkdir, rename, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../../../os/atomic-file.ts'
import type { Added } from '../../image/file-entry.ts'
import { EARLIEST } from '../../image/file-time.ts'
import type { LowerFolders } from './lower-folders.ts'
import type { Privileges } from '../../sandbox/privileges.ts'
import type { RunMount } from '../run-mount.ts'
import { ownFolder } from '../../sandbox/work-folder.ts'

export type CacheMount = RunMount & { readonly type: 'cache' }

/** What an empty cache begins with: entries under the name `it`, and what names them. */
export interface CacheStart {
  readonly added: Added
  readonly key: string
}

/** Who uses a cache folder just now, in this process: the only one that has this data folder. */
const users = new Map<string, number>()
const turns = new Map<string, Promise<void>>()

/** The folders of `--mount=type=cache`, kept between builds and shared by all apps that name the same id. */
export class CacheFolders {
  readonly #folder: string
  readonly #work: string
  readonly #lowers: LowerFolders
  readonly #privileges: Privileges

  constructor(folder: string, work: string, lowers: LowerFolders, privileges: Privileges) {
    this.#folder = folder
    this.#work = work
    this.#lowers = lowers
    this.#privileges = privileges
  }

  /** The folder for one command, until `release`. `locked` waits for its turn, `private` takes one that nobody else has. */
  async take(
    mount: CacheMount,
    start: CacheStart | null,
    signal: AbortSignal,
  ): Promise<{ readonly path: string; readonly release: () => void }> {
    // One that begins with something is another cache than one of the same id that begins with nothing (BuildKit's rule).
    const id = start === null ? mount.id : `${mount.id}\n${start.key}`
    const name = createHash('sha256').update(id).digest('hex')
    const made = start?.added ?? emptyFolder(mount)
    if (mount.sharing === 'locked') return this.#locked(name, made, signal)
    let chosen = name
    for (let copy = 1; mount.sharing === 'private' && (users.get(chosen) ?? 0) > 0; copy++) chosen = `${name}-${copy}`
    return this.#use(chosen, made, signal)
  }

  async #locked(name: string, made: Added, signal: AbortSignal) {
    const before = turns.get(name) ?? Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const mine = before.then(() => promise)
    turns.set(name, mine)
    try {
      await Promise.race([before, aborted(signal)])
      const { path, release } = await this.#use(name, made, signal)
      return {
        path,
        release: () => {
          release()
          resolve()
        },
      }
    } catch (failed) {
      resolve()
      throw failed
    }
  }

  async #use(name: string, made: Added, signal: AbortSignal) {
    users.set(name, (users.get(name) ?? 0) + 1)
    const release = () => {
      users.set(name, (users.get(name) ?? 1) - 1)
    }
    try {
      return { path: await this.#folderOf(name, made, signal), release }
    } catch (failed) {
      release()
      throw failed
    }
  }

  async #folderOf(name: string, made: Added, signal: AbortSignal): Promise<string> {
    const folder = join(this.#folder, name)
    const now = new Date()
    if ((await stat(folder).catch(() => null)) === null) {
      const part = await ownFolder(this.#work)
      try {
        await makeFolder(this.#folder, 0o700)
        await mkdir(join(part, 'root'))
        await this.#lowers.unpack(made, join(part, 'root'), signal)
        await rename(part, folder).catch((failed: NodeJS.ErrnoException) => {
          if (failed.code !== 'ENOTEMPTY' && failed.code !== 'EEXIST') throw failed
        })
      } finally {
        await this.#privileges.remove(part, signal)
      }
    }
    await utimes(folder, now, now)
    return join(folder, 'root', 'it')
  }
}

const emptyFolder = ({ mode, uid, gid }: CacheMount): Added =>
  new Map([['it', { type: 'directory', uid, gid, mode, mtime: EARLIEST } as const]])

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error)
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}
