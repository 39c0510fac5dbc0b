import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cp, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..', '..', '..')
/** What `image base` leaves in a data folder. */
const PARTS = ['registry', 'cache/build']

/**
 * Making an image from this machine's Node takes seconds. It is made once, and kept with the other caches of this checkout
 * until the code that makes and stores images changes.
 */
export const preparedBase = {
  /** Lays it into a new data folder. False: there is none yet. */
  async lay(folder: string): Promise<boolean> {
    const cache = cachePath()
    if (!existsSync(cache)) return false
    for (const part of PARTS) await cp(join(cache, part), join(folder, part), { recursive: true })
    return true
  },

  /** Keeps what was made in a data folder. Two test files at once may both do so: the first one wins. */
  async keep(folder: string): Promise<void> {
    const cache = cachePath()
    const part = `${cache}.${process.pid}`
    await mkdir(part, { recursive: true })
    for (const name of PARTS) await cp(join(folder, name), join(part, name), { recursive: true })
    await rename(part, cache).catch(() => rm(part, { recursive: true }))
  },
}

function cachePath(): string {
  const hash = createHash('sha256').update(process.execPath).update(process.version)
  for (const folder of ['src/build', 'src/registry', 'src/model']) {
    const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    for (const name of names.filter((one) => one.endsWith('.ts')).sort())
      hash.update(readFileSync(join(ROOT, folder, name)))
  }
  return join(ROOT, 'node_modules', '.cache', 'naru-e2e', hash.digest('hex').slice(0, 16))
}
