import { randomBytes } from 'node:crypto'
import { open, readdir, rename, rm, rmdir, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isDigest } from '../../model/descriptor.ts'
import { DeployError } from '../../model/failure.ts'
import { isRepository, isTag } from '../../model/reference.ts'
import { makeFolder, syncFolder } from '../../os/atomic-file.ts'
import { identify, isAlive } from '../../os/process-identity.ts'
import { CheckedFiles } from './checked-files.ts'
import { KeyedLock } from './keyed-lock.ts'

/** How exactly the time of a file tells when it was used last. */
export const TOUCH_MS = 1000

/** How often a folder may go, because it is empty, while something is on its way into it. */
const RACES = 20

/**
 * The folder of the store, and the only place where names become paths. Everything is written to `uploads/` first and
 * renamed into its place when it is complete and on the disk, so a crash at any instruction leaves nothing torn.
 *
 *     blobs/ALGORITHM/AB/HEX                      the bytes of blobs and manifests, once each
 *     repositories/NAME/_blobs/ALGORITHM/HEX      this repository has the blob (empty)
 *     repositories/NAME/_manifests/ALGORITHM/HEX  this repository has the manifest (its media type)
 *     repositories/NAME/_tags/TAG                 the digest of a manifest
 *     repositories/NAME/_referrers/SUBJECT/HEX/…  manifests whose subject this is (empty)
 *     uploads/BOOT.PID.START/…                    what one process is writing
 *     quarantine/…                                what was found damaged
 *
 * A folder that begins with `_` cannot be a component of a repository name (grammar in model/reference.ts).
 */
export class StoreFolder {
  readonly root: string
  readonly checked = new CheckedFiles()
  readonly #work: string
  readonly #making = new Map<string, Promise<void>>()
  /** One file at a time is used, replaced or taken away: what was told to be there is not gone a moment later. */
  readonly #files = new KeyedLock()

  private constructor(root: string, work: string) {
    this.root = root
    this.#work = work
  }

  /** Opens the folder, makes it if it is not there, and removes what processes that are gone left half-written. */
  static async open(root: string): Promise<StoreFolder> {
    const uploads = join(root, 'uploads')
    await makeFolder(uploads, 0o700)
    for (const name of await readdir(uploads)) {
      if (!ownerLives(name)) await rm(join(uploads, name), { recursive: true, force: true })
    }
    const work = join(uploads, ownName())
    for (const folder of [work, join(root, 'blobs'), join(root, 'repositories'), join(root, 'quarantine')]) {
      await makeFolder(folder, 0o700)
    }
    return new StoreFolder(root, work)
  }

  /** A path for something that is being written. */
  temporaryPath(): string {
    return join(this.#work, randomBytes(12).toString('hex'))
  }

  blobPath(digest: string): string {
    const [algorithm, hex] = splitDigest(digest)
    return join(this.root, 'blobs', algorithm, hex.slice(0, 2), hex)
  }

  /** Where a repository keeps its mark for a blob or a manifest. */
  markPath(repository: string, kind: '_blobs' | '_manifests', digest: string): string {
    return join(this.repositoryPath(repository), kind, ...splitDigest(digest))
  }

  tagPath(repository: string, tag: string): string {
    if (!isTag(tag)) throw invalid('tag', tag)
    return join(this.repositoryPath(repository), '_tags', tag)
  }

  /** The folder of the marks of all manifests whose subject is `subject`; with `digest`, the mark of one. */
  referrerPath(repository: string, subject: string, digest?: string): string {
    const folder = join(this.repositoryPath(repository), '_referrers', ...splitDigest(subject))
    return digest === undefined ? folder : join(folder, splitDigest(digest).join('-'))
  }

  repositoryPath(repository: string): string {
    if (!isRepository(repository)) throw invalid('repository name', repository)
    return join(this.root, 'repositories', repository)
  }

  /** Moves a complete, synced file to its place, durably. */
  async place(temporary: string, path: string): Promise<void> {
    const move = () => this.#files.run(path, () => rename(temporary, path).then(() => true))
    for (let race = 1; ; race++) {
      await this.#makeFolder(dirname(path))
      // A collection removes folders that are empty, perhaps right now.
      if ((await (race === RACES ? move() : move().catch(ignoreMissing))) !== null) break
    }
    await syncFolder(dirname(path)).catch(ignoreMissing)
  }

  /** Writes a small file so that it is there whole or not at all, durably. */
  async put(path: string, content: string | Uint8Array): Promise<void> {
    const temporary = this.temporaryPath()
    try {
      const handle = await open(temporary, 'wx', 0o600)
      try {
        await handle.writeFile(content)
        await handle.datasync()
      } finally {
        await handle.close()
      }
      await this.place(temporary, path)
    } catch (failed) {
      await rm(temporary, { force: true })
      throw failed
    }
  }

  /** Removes a file durably. False: it was not there. */
  async remove(path: string): Promise<boolean> {
    if ((await stat(path).catch(ignoreMissing)) === null) return false
    await rm(path, { force: true })
    await syncFolder(dirname(path)).catch(ignoreMissing)
    return true
  }

  /**
   * Whether a file is there, and its size. It also marks it as used now, so that a collection of garbage, which spares what
   * was used a short while ago, does not take it away between this answer and the manifest that will name it.
   */
  touch(path: string, now: number): Promise<number | null> {
    return this.#files.run(path, () => touch(path, now, this.checked))
  }

  /** Deletes a file that was last used at `before` or earlier; answers its size, or null when it stays. Durable with its folder. */
  removeUnused(path: string, before: number): Promise<number | null> {
    return this.#files.run(path, async () => {
      const size = await sizeOfUnused(path, before)
      if (size !== null) await rm(path, { force: true })
      return size
    })
  }

  /** Removes a file durably, unless it was replaced or used since `stat` said `mtimeMs`. False: it was, or is not there. */
  removeUnchanged(path: string, mtimeMs: number): Promise<boolean> {
    return this.#files.run(path, async () => {
      if ((await stat(path).catch(ignoreMissing))?.mtimeMs !== mtimeMs) return false
      await rm(path, { force: true })
      await syncFolder(dirname(path))
      return true
    })
  }

  /** Sets a damaged file aside, where nobody reads it, unless another one (`inode` tells) has taken its place meanwhile. Its time is then when that was, `nowMs`. */
  quarantine(path: string, inode: number, nowMs: number): Promise<void> {
    return this.#files.run(path, async () => {
      const now = await stat(path).catch(ignoreMissing)
      if (now?.ino !== inode) return
      await utimes(path, nowMs / 1000, nowMs / 1000).catch(ignoreMissing)
      const name = `${path.slice(this.root.length + 1).replaceAll('/', '-')}.${randomBytes(4).toString('hex')}`
      await rename(path, join(this.root, 'quarantine', name)).catch(ignoreMissing)
      await syncFolder(dirname(path))
    })
  }

  /** Removes the folders of a repository that has nothing left, and those above it that are empty then. */
  async removeEmptyRepository(repository: string): Promise<void> {
    const path = this.repositoryPath(repository)
    await removeEmptyTree(path)
    for (let at = dirname(path); at !== join(this.root, 'repositories'); at = dirname(at)) {
      if (!(await removeEmpty(at))) return
    }
  }

  async close(): Promise<void> {
    await rm(this.#work, { recursive: true, force: true })
  }

  /** Two callers that make the same folder both wait until it is durable. */
  #makeFolder(path: string): Promise<void> {
    const making = this.#making.get(path) ?? makeFolder(path, 0o700).finally(() => this.#making.delete(path))
    this.#making.set(path, making)
    return making
  }
}

async function touch(path: string, now: number, checked: CheckedFiles): Promise<number | null> {
  const found = await stat(path).catch(ignoreMissing)
  if (found === null) return null
  if (now - found.mtimeMs < TOUCH_MS) return found.size
  checked.touched(path, found, now)
  const seconds = now / 1000
  const touched = await utimes(path, seconds, seconds).then(() => true, ignoreMissing)
  return touched === null ? null : found.size
}

/** The size of a file that was last used at `before` or earlier; null: it is not there, or was used since. */
export async function sizeOfUnused(path: string, before: number): Promise<number | null> {
  const found = await stat(path).catch(ignoreMissing)
  return found === null || found.mtimeMs > before - TOUCH_MS ? null : found.size
}

/** Removes the folders below and including `path` that have no file in them. */
async function removeEmptyTree(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(ignoreMissing)
  for (const entry of entries ?? []) if (entry.isDirectory()) await removeEmptyTree(join(path, entry.name))
  await removeEmpty(path)
}

/** false: something is in it. */
async function removeEmpty(path: string): Promise<boolean> {
  try {
    await rmdir(path)
    return true
  } catch (failed) {
    if ((failed as NodeJS.ErrnoException).code === 'ENOTEMPTY') return false
    return ignoreMissing(failed) === null
  }
}

/** null for a file or folder that is not there; any other error is thrown on. */
export function ignoreMissing(failed: unknown): null {
  const code = (failed as { code?: unknown } | null)?.code
  if (code === 'ENOENT' || code === 'ENOTDIR') return null
  throw failed
}

/** The digest in the two parts that make its path; refuses everything that is no digest (A19). */
export function splitDigest(digest: string): [algorithm: string, hex: string] {
  if (!isDigest(digest)) throw invalid('digest', digest)
  return [digest.slice(0, 6), digest.slice(7)]
}

const invalid = (what: string, text: string) =>
  new DeployError('REFERENCE_INVALID', `${JSON.stringify(text.slice(0, 100))} is no ${what}`, {
    hint: 'See the grammar of names, tags and digests in the OCI distribution specification.',
  })

function ownName(): string {
  const self = identify(process.pid)
  return self === null ? `0.${process.pid}.0` : `${self.bootId}.${self.pid}.${self.startTicks}`
}

function ownerLives(name: string): boolean {
  const [bootId = '', pid = '', startTicks = ''] = name.split('.')
  return /^[0-9]+$/.test(pid) && isAlive({ bootId, pid: Number(pid), startTicks: Number(startTicks) })
}
