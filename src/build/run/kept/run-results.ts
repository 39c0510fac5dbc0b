import { mkdir, readFile, rename, utimes, writeFile } from 'node:fs/promises'
import { openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeFolder, syncFolder, writeFileAtomic } from '../../../os/atomic-file.ts'
import { bytesContent, DiskContent } from '../../image/content.ts'
import type { Added, FileEntry } from '../../image/file-entry.ts'
import type { FileTree } from '../../image/file-tree.ts'
import { packedContent } from './packed-contents.ts'
import { type Left, whiteoutPath } from './upper-layer.ts'

/** What a RUN made: its layer, and the folder that a later RUN has as a lower one. */
export interface RunResult {
  readonly key: string
  readonly upper: string
  readonly layer: readonly Left[]
}

const FORM = 'run-1'
/** Beside the upper folder: contents of its files, where they cannot be read in it. */
export const PACK = 'pack'

function unlessMissing(failed: NodeJS.ErrnoException): void {
  if (failed.code !== 'ENOENT') throw failed
}

/** Results of RUNs on disk, each under the key of all that went into it. Losing one costs time only. */
export class RunResults {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  async find(key: string): Promise<RunResult | null> {
    const folder = join(this.#folder, key)
    try {
      const { form, layer } = JSON.parse(await readFile(join(folder, 'layer.json'), 'utf8')) as {
        form?: string
        layer?: readonly Left[]
      }
      if (form !== FORM || !Array.isArray(layer)) return null
      const now = new Date()
      await utimes(folder, now, now)
      return { key, layer, upper: join(folder, 'upper') }
    } catch {
      // Missing, cut or damaged is all the same: the command runs again.
      return null
    }
  }

  /** Takes an upper folder over. It counts when all of it is there. */
  async keep(key: string, upper: string, layer: readonly Left[]): Promise<RunResult> {
    const folder = join(this.#folder, key)
    const part = join(dirname(upper), 'result')
    await makeFolder(this.#folder, 0o700)
    await mkdir(part)
    await rename(upper, join(part, 'upper'))
    await rename(join(dirname(upper), PACK), join(part, PACK)).catch(unlessMissing)
    await writeFile(join(part, 'bytes'), String(layer.reduce((sum, { s }) => sum + s, 0)))
    await writeFileAtomic(join(part, 'layer.json'), JSON.stringify({ form: FORM, layer }))
    const there = await rename(part, folder).then(
      () => false,
      (failed: NodeJS.ErrnoException) => {
        if (failed.code === 'ENOTEMPTY' || failed.code === 'EEXIST') return true
        throw failed
      },
    )
    await syncFolder(this.#folder)
    // Another build ran the same at the same time: its result is as good, and others may stand on it already.
    return (there ? await this.find(key) : null) ?? { key, layer, upper: join(folder, 'upper') }
  }
}

/** The layer as the builder packs it. */
export function addedBy({ layer, upper }: RunResult): Added {
  const entries = new Map(layer.map((left) => [left.p, left]))
  return new Map(
    layer.map((left) => [left.t === 'w' ? whiteoutPath(left.p) : left.p, entryOf(left, { upper, entries })]),
  )
}

/** Lays what a RUN did over the tree of its stage. */
export function applyRun(tree: FileTree, result: RunResult): void {
  for (const { p, t } of result.layer) if (t === 'w') tree.remove(p)
  for (const [path, entry] of addedBy({ ...result, layer: result.layer.filter(({ t }) => t !== 'w') })) {
    if (entry.type !== 'file') tree.set(path, entry)
    else {
      const { linkTo, ...file } = entry
      // Names of one file are one entry (see copy-files.ts).
      tree.set(path, (linkTo === undefined ? null : tree.at(linkTo)) ?? file)
    }
  }
}

interface Around {
  readonly upper: string
  readonly entries: ReadonlyMap<string, Left>
}

const NOTHING = bytesContent(new Uint8Array())

function entryOf(left: Left, { upper, entries }: Around): FileEntry {
  const { m: mode, u: uid, g: gid, at } = left
  const xattrs = left.x === undefined ? {} : { xattrs: left.x }
  const owned = { uid, gid, mode, mtime: at ?? 'content', ...xattrs } as const
  if (left.t === 'd') return { ...owned, type: 'directory' }
  if (left.t === 's') return { ...owned, type: 'symlink', target: left.l ?? '' }
  if (left.t === 'w') return { ...owned, type: 'file', content: NOTHING }
  const file = left.t === 'h' ? (entries.get(left.l ?? '') ?? left) : left
  const path = join(upper, file.p)
  const content =
    file.o !== undefined
      ? packedContent(join(dirname(upper), PACK), file.o, file.s, file.id ?? '')
      : new DiskContent(`/${file.p}`, file.s, () => openSync(path, 'r'), file.id)
  return { ...owned, type: 'file', content, ...(left.t === 'h' ? { linkTo: left.l ?? '' } : {}) }
}
