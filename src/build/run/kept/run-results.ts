import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isDigest } from '../../../model/descriptor.ts'
import { makeFolder, syncFolder, writeFileAtomic } from '../../../os/atomic-file.ts'
import { LISTING, listingDigest, PACK, RunLayer, SUMMARY, UPPER } from './run-layer.ts'
import type { Left } from './upper-layer.ts'

/** What a RUN did; null: it left the file system as it was. */
export type RunResult = RunLayer | null

const FORM = 'run-2'
const NAME = /^[0-9a-f]{64}$/

/** What is known of a result without reading its listing. */
interface Summary {
  readonly form: string
  readonly entries: number
  /** Of the listing. */
  readonly digest: string
  readonly bytes: number
}

function unlessMissing(failed: NodeJS.ErrnoException): void {
  if (failed.code !== 'ENOENT') throw failed
}

/**
 * Results of RUNs on disk, each under the key of all that went into it, or, where that was asked to be done anew, under a name
 * that `renewed` has for the key: builds that stand on the older one keep it. Losing one costs time only.
 */
export class RunResults {
  readonly #folder: string
  readonly #renewed: string

  constructor(folder: string, renewed: string) {
    this.#folder = folder
    this.#renewed = renewed
  }

  /** undefined: it is not there. */
  async find(key: string): Promise<RunResult | undefined> {
    return this.#read(await this.#nameOf(key))
  }

  async #nameOf(key: string): Promise<string> {
    const path = join(this.#renewed, key)
    const name = await readFile(path, 'utf8').catch(() => '')
    if (!NAME.test(name)) return key
    const now = new Date()
    await utimes(path, now, now).catch(unlessMissing)
    return name
  }

  async #read(name: string): Promise<RunResult | undefined> {
    const folder = join(this.#folder, name)
    try {
      const summary = JSON.parse(await readFile(join(folder, SUMMARY), 'utf8')) as Partial<Summary>
      const { form, entries = 0, digest = '', bytes } = summary
      if (form !== FORM || !isDigest(digest)) return undefined
      if ((await stat(join(folder, LISTING))).size !== bytes) return undefined
      const now = new Date()
      await utimes(folder, now, now)
      return entries === 0 ? null : new RunLayer(folder, digest)
    } catch {
      // Missing, cut or damaged is all the same: the command runs again.
      return undefined
    }
  }

  /** Takes an upper folder over. It counts when all of it is there. */
  async keep(key: string, upper: string, left: readonly Left[]): Promise<RunResult> {
    return this.#keepAs(await this.#nameOf(key), upper, left)
  }

  /** The same, in place of a result that is there. */
  async renew(key: string, upper: string, left: readonly Left[]): Promise<RunResult> {
    const name = randomBytes(32).toString('hex')
    const result = await this.#keepAs(name, upper, left)
    await makeFolder(this.#renewed, 0o700)
    await writeFileAtomic(join(this.#renewed, key), name)
    return result
  }

  async #keepAs(name: string, upper: string, left: readonly Left[]): Promise<RunResult> {
    const folder = join(this.#folder, name)
    const work = dirname(upper)
    const part = join(work, 'result')
    await makeFolder(this.#folder, 0o700)
    await mkdir(part)
    await rename(upper, join(part, UPPER))
    await rename(join(work, PACK), join(part, PACK)).catch(unlessMissing)
    await writeFile(join(part, 'bytes'), String(left.reduce((sum, { s }) => sum + s, 0)))
    const text = JSON.stringify({ layer: left })
    const digest = listingDigest(text)
    await writeFileAtomic(join(part, LISTING), text)
    const summary: Summary = { form: FORM, entries: left.length, digest, bytes: Buffer.byteLength(text) }
    await writeFileAtomic(join(part, SUMMARY), JSON.stringify(summary))
    while (!(await placed(part, folder))) {
      // Another build ran the same at the same time: its result is as good, and others may stand on it already.
      const other = await this.#read(name)
      if (other !== undefined) return other
      await rename(folder, join(work, `damaged-${randomBytes(6).toString('hex')}`)).catch(unlessMissing)
    }
    await syncFolder(this.#folder)
    return left.length === 0 ? null : new RunLayer(folder, digest, left)
  }
}

/** Whether the folder went to its place; false: something is there. */
const placed = (part: string, folder: string): Promise<boolean> =>
  rename(part, folder).then(
    () => true,
    (failed: NodeJS.ErrnoException) => {
      if (failed.code === 'ENOTEMPTY' || failed.code === 'EEXIST') return false
      throw failed
    },
  )
