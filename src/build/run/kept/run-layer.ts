import { createHash } from 'node:crypto'
import { openSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DeployError } from '../../../model/failure.ts'
import { bytesContent, DiskContent } from '../../image/content.ts'
import type { Added, FileEntry } from '../../image/file-entry.ts'
import type { FileTree } from '../../image/file-tree.ts'
import type { Layer } from '../../image/layer.ts'
import { packedContent } from './packed-contents.ts'
import { type Left, whiteoutPath } from './upper-layer.ts'

/** In the folder of a result: what a RUN left, and all of it that a build which changes nothing needs to know. */
export const [LISTING, SUMMARY] = ['layer.json', 'summary.json'] as const
/** Beside the upper folder: contents of its files, where they cannot be read in it. */
export const PACK = 'pack'
export const UPPER = 'upper'

export const listingDigest = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`

/** The layer of a RUN, in the folder of its result. `digest`: of its listing, which is read when its entries are asked for. */
export class RunLayer implements Layer {
  readonly upper: string
  readonly #folder: string
  readonly #digest: string
  #left: Promise<readonly Left[]> | null
  #added: Promise<Added> | null = null

  /** `left`: where it is known already. */
  constructor(folder: string, digest: string, left: readonly Left[] | null = null) {
    this.#folder = folder
    this.#digest = digest
    this.#left = left === null ? null : Promise.resolve(left)
    this.upper = join(folder, UPPER)
  }

  name(): Promise<string> {
    return Promise.resolve(`run ${this.#digest}`)
  }

  /** The layer as it is packed. Throws BUILD_SOURCE_INVALID. */
  entries(): Promise<Added> {
    this.#added ??= this.#listed().then((left) => addedBy(left, this.#folder))
    return this.#added
  }

  /** Lays what the RUN did over the tree of its stage. Throws BUILD_SOURCE_INVALID. */
  async applyTo(tree: FileTree): Promise<void> {
    const left = await this.#listed()
    const added = await this.entries()
    for (const { p, t } of left) if (t === 'w') tree.remove(p)
    for (const { p, t } of left) {
      const entry = t === 'w' ? undefined : added.get(p)
      if (entry === undefined) continue
      if (entry.type !== 'file') tree.set(p, entry)
      else {
        const { linkTo, ...file } = entry
        // Names of one file are one entry (see copy-files.ts).
        tree.set(p, (linkTo === undefined ? null : tree.at(linkTo)) ?? file)
      }
    }
  }

  #listed(): Promise<readonly Left[]> {
    this.#left ??= this.#read()
    return this.#left
  }

  async #read(): Promise<readonly Left[]> {
    const text = await readFile(join(this.#folder, LISTING), 'utf8').catch(() => '')
    if (listingDigest(text) === this.#digest) return (JSON.parse(text) as { layer: readonly Left[] }).layer
    await rm(join(this.#folder, SUMMARY), { force: true })
    throw new DeployError('BUILD_SOURCE_INVALID', `what an earlier RUN left in ${this.#folder} is damaged`, {
      hint: 'It was dropped, and nothing was pushed. Run the same command again: the RUN is carried out anew.',
    })
  }
}

/** The entries of a layer: contents are in the folder of the result. */
export function addedBy(left: readonly Left[], folder: string): Added {
  const byPath = new Map(left.map((one) => [one.p, one]))
  const added: Added = new Map()
  for (const one of left) added.set(one.t === 'w' ? whiteoutPath(one.p) : one.p, entryOf(one, folder, byPath))
  return added
}

const NOTHING = bytesContent(new Uint8Array())

function entryOf(left: Left, folder: string, byPath: ReadonlyMap<string, Left>): FileEntry {
  const { m: mode, u: uid, g: gid, at } = left
  const xattrs = left.x === undefined ? {} : { xattrs: left.x }
  const owned = { uid, gid, mode, mtime: at ?? 'content', ...xattrs } as const
  if (left.t === 'd') return { ...owned, type: 'directory' }
  if (left.t === 's') return { ...owned, type: 'symlink', target: left.l ?? '' }
  if (left.t === 'w') return { ...owned, type: 'file', content: NOTHING }
  const file = left.t === 'h' ? (byPath.get(left.l ?? '') ?? left) : left
  const content =
    file.o !== undefined
      ? packedContent(join(folder, PACK), file.o, file.s, file.id ?? '')
      : new DiskContent(`/${file.p}`, file.s, () => openSync(join(folder, UPPER, file.p), 'r'), file.id)
  return { ...owned, type: 'file', content, ...(left.t === 'h' ? { linkTo: left.l ?? '' } : {}) }
}
