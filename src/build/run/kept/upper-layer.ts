import { createHash } from 'node:crypto'
import { EARLIEST } from '../../image/file-time.ts'
import { type FileTree, joinPath, nameOf, parentOf } from '../../image/file-tree.ts'
import type { ContentPack } from './packed-contents.ts'
import type { UpperEntry } from './upper-archive.ts'

/** What a RUN left at a path. Members are short: there are tens of thousands of them in the cache. */
export interface Left {
  readonly p: string
  /** f(ile), d(irectory), s(ymlink), h(ard link to a file of the same layer), w(hiteout: nothing is there any more). */
  readonly t: 'f' | 'd' | 's' | 'h' | 'w'
  readonly m: number
  readonly u: number
  readonly g: number
  readonly s: number
  /** Seconds since the epoch; null: the command wrote it, the time is made from the content. */
  readonly at: number | null
  /** Target of a link. */
  readonly l?: string
  /** Digest of a file's content. */
  readonly id?: string
  /** Where the content is in the pack, where there is one. */
  readonly o?: number
  /** Extended attributes, values as latin1 text. */
  readonly x?: Readonly<Record<string, string>>
}

const TYPES = { file: 'f', directory: 'd', symlink: 's', hardlink: 'h', whiteout: 'w', special: null } as const
const OPAQUE = ['trusted.overlay.opaque', 'user.overlay.opaque']

/** Collects the entries of an upper folder as they come, and hashes what is in its files. */
export class UpperListing {
  readonly #entries: { readonly entry: UpperEntry; readonly at: number | null; id: string }[] = []
  readonly #pack: ContentPack | null

  /** `startedAt`: what is not older was made by the command. */
  readonly #startedAt: number

  /** `pack`: where contents are kept besides; null: they can be read where they are. */
  constructor(startedAt: number, pack: ContentPack | null) {
    this.#startedAt = startedAt
    this.#pack = pack
  }

  take(entry: UpperEntry): (part: Uint8Array) => void {
    const hash = createHash('sha256')
    const listed = { entry, at: this.#pack?.at ?? null, id: '' }
    this.#entries.push(listed)
    if (entry.kind !== 'file') return () => {}
    let left = entry.size
    const settle = () => {
      listed.id = `sha256:${hash.digest('hex')}`
    }
    if (left === 0) settle()
    return (part) => {
      hash.update(part)
      this.#pack?.add(part)
      left -= part.length
      if (left === 0) settle()
    }
  }

  /** Paths of what the command made or changed: their times on disk say when, which the next RUN must not see. */
  get touched(): readonly string[] {
    return this.#entries.flatMap(({ entry }) => (entry.kind !== 'whiteout' && this.#isNew(entry) ? entry.path : []))
  }

  /** The layer, sorted by path. `below`: what the command started from. */
  layer(below: FileTree): readonly Left[] {
    const opaque = this.#opaque(below)
    const listed = this.#entries.flatMap((one) => this.#left(one, below))
    const there = new Set(this.#entries.map(({ entry }) => entry.path))
    const hidden = opaque.flatMap((folder) =>
      below
        .names(folder)
        .map((name) => joinPath(folder, name))
        .filter((path) => !there.has(path)),
    )
    return linkedInOrder([...listed, ...hidden.map(whiteout)].sort((a, b) => (a.p < b.p ? -1 : 1)))
  }

  #left(
    { entry, id, at: offset }: { entry: UpperEntry; id: string; at: number | null },
    below: FileTree,
  ): readonly Left[] {
    const { path, kind, mode, uid, gid } = entry
    const type = TYPES[kind]
    if (path === '' || type === null) return []
    if (type === 'w') return below.at(path) === null ? [] : [whiteout(path)]
    const at = this.#isNew(entry) ? (type === 'f' ? null : EARLIEST) : Math.max(Math.floor(entry.mtime), 0)
    const xattrs = [...entry.xattrs].filter(([name]) => name === 'security.capability' || isUserAttribute(name)).sort()
    return [
      {
        p: path,
        t: type,
        m: mode,
        u: uid,
        g: gid,
        s: entry.size,
        at,
        ...(type === 's' || type === 'h' ? { l: entry.link } : {}),
        ...(type === 'f' ? { id, ...(offset === null ? {} : { o: offset }) } : {}),
        ...(xattrs.length === 0 ? {} : { x: Object.fromEntries(xattrs) }),
      },
    ]
  }

  #isNew = (entry: UpperEntry): boolean => entry.mtime >= this.#startedAt

  /** Folders of which nothing below is seen, and those in them. */
  #opaque(below: FileTree): readonly string[] {
    const found = new Set<string>()
    const folders = this.#entries.flatMap(({ entry }) => (entry.kind === 'directory' ? entry : []))
    for (const { path, xattrs } of folders.sort((a, b) => (a.path < b.path ? -1 : 1))) {
      const marked = OPAQUE.some((name) => xattrs.get(name) === 'y')
      if (path !== '' && (marked || found.has(parentOf(path)) || below.at(path)?.type !== 'directory')) found.add(path)
    }
    return [...found]
  }
}

/** Of the names of one file the first in the layer's order holds the content, whichever the archive took. */
function linkedInOrder(sorted: readonly Left[]): readonly Left[] {
  const byPath = new Map(sorted.map((left) => [left.p, left]))
  const first = new Map<string, string>()
  return sorted.map((left) => {
    if (left.t !== 'h' && left.t !== 'f') return left
    const written = left.t === 'h' ? (left.l ?? '') : left.p
    const { l: _, ...file } = byPath.get(written) ?? left
    const target = first.get(written)
    if (target !== undefined) return { ...file, p: left.p, t: 'h', l: target, s: 0 }
    first.set(written, left.p)
    return { ...file, p: left.p }
  })
}

const isUserAttribute = (name: string): boolean => name.startsWith('user.') && !name.startsWith('user.overlay.')

const whiteout = (path: string): Left => ({ p: path, t: 'w', m: 0, u: 0, g: 0, s: 0, at: EARLIEST })

/** The path of a whiteout in a layer (OCI image-spec layer.md, "Whiteouts"). */
export const whiteoutPath = (path: string): string => joinPath(parentOf(path), `.wh.${nameOf(path)}`)
