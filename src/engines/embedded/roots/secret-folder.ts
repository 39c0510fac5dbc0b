import { lstatSync, mkdirSync, realpathSync, statfsSync } from 'node:fs'
import { join } from 'node:path'

const TMPFS = 0x01021994

/** A folder in memory for files of secrets, only ours: `/dev/shm/naru-<id>`. null: there is none here; they are then on the disk. */
export function secretFolder(instanceId: string): string | null {
  try {
    const shm = realpathSync('/dev/shm')
    if (statfsSync(shm).type !== TMPFS) return null
    const folder = join(shm, `naru-${instanceId}`)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const { uid, mode } = lstatSync(folder)
    // Everybody may make folders in /dev/shm: one of somebody else is not used. (mkdir follows no link in its last part.)
    return lstatSync(folder).isDirectory() && uid === process.geteuid?.() && (mode & 0o077) === 0 ? folder : null
  } catch {
    return null
  }
}
