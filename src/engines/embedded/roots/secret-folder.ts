import { lstatSync, mkdirSync, realpathSync, rmdirSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { removeTree } from './layers/remove-tree.ts'

const TMPFS = 0x01021994

/** Files of secrets in memory, a folder for each replica: `/dev/shm/naru-<id>/<replica>`, only ours. */
export class SecretFolder {
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** null: there is no such place here, or somebody else took it; the files are then on the disk. Makes nothing yet. */
  static find(instanceId: string): SecretFolder | null {
    try {
      const shm = realpathSync('/dev/shm')
      const folder = join(shm, `naru-${instanceId}`)
      return statfsSync(shm).type === TMPFS && isOurs(folder) ? new SecretFolder(folder) : null
    } catch {
      return null
    }
  }

  /** Makes a replica's folder. */
  make(key: string): string {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    if (!isOurs(this.#folder)) throw new Error(`${this.#folder} belongs to somebody else`)
    const own = join(this.#folder, key)
    mkdirSync(own, { recursive: true, mode: 0o700 })
    return own
  }

  /** Removes a replica's folder, and ours with the last one. Safe twice. */
  remove(key: string): void {
    if (lstatSync(this.#folder, { throwIfNoEntry: false }) === undefined) return
    removeTree(join(this.#folder, key))
    try {
      rmdirSync(this.#folder)
    } catch {
      // another replica has its files there
    }
  }
}

/** Everybody may make folders in /dev/shm: one of somebody else is not used. Nothing there yet is fine. */
function isOurs(folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false })
  if (found === undefined) return true
  return found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & 0o077) === 0
}
