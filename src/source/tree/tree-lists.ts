import { DeployError } from '../../model/failure.ts'
import { parseTree, type TreeLine } from '../objects/tree-object.ts'
import type { SourceEntry } from '../source.ts'

/** Longer names fit into no file system. */
const LONGEST_NAME = 255
/** No path of a file system is deeper (PATH_MAX). */
const DEEPEST = 2048
/** A few kilobytes of trees that name each other can list more files than there is memory. */
const MOST_FILES = 2_000_000
/** Files in lists that are remembered, over all trees. */
const MOST_KEPT = 250_000
/** Names that begin as git's own folder does, and are honest files nearly everywhere. */
const HONEST =
  /^\.git(?:ignore|attributes|modules|keep|hub|lab|lab-ci\.yml|ea|pod\.yml|pod\.dockerfile|leaks\.toml|message|config|-blame-ignore-revs)$/

/** Reads trees; each that is asked for is answered. */
export type ReadTrees = (ids: readonly string[]) => Promise<ReadonlyMap<string, Buffer>>

/** The files of one tree with their paths from it. `entries` null: git's checkout has to lay them out. */
interface TreeList {
  readonly entries: readonly SourceEntry[] | null
  readonly hasLinks: boolean
}

/**
 * The files of trees, as `git ls-tree -r` lists them. A tree is named for what is in it: those that are remembered are not
 * read again. null: it has submodules, or names that git's checkout may refuse (A3): then the checkout has to say so. Whoever
 * doubts a name answers null: it costs time only.
 */
export class TreeLists {
  readonly #kept = new Map<string, TreeList>()
  #keptFiles = 0

  /** Throws SOURCE_TOO_LARGE, and what `read` throws. */
  async of(root: string, read: ReadTrees): Promise<readonly SourceEntry[] | null> {
    const trees = await this.#gather(root, read)
    if (trees === null) return null
    countFiles(root, trees, new Map())
    const { entries } = this.#list(root, trees)
    this.#forget()
    return entries
  }

  /** What is to be known of this tree, level by level, down to those that are remembered. null: a tree is damaged, or too deep. */
  async #gather(root: string, read: ReadTrees): Promise<Trees | null> {
    const trees: Trees = { lists: new Map(), lines: new Map() }
    let wanted = this.#remember([root], trees)
    for (let depth = 0; wanted.length > 0; depth++) {
      if (depth > DEEPEST) return null
      const below = new Set<string>()
      for (const [id, bytes] of await read(wanted)) {
        const lines = parseTree(bytes, root.length / 2)
        if (lines === null) return null
        trees.lines.set(id, lines)
        for (const line of lines) if (isTree(line)) below.add(line.id)
      }
      wanted = this.#remember(below, trees)
    }
    return trees
  }

  /** Notes those that are remembered, which are the newest then, and answers the ones that nothing is known of. */
  #remember(ids: Iterable<string>, { lists, lines }: Trees): readonly string[] {
    return [...ids].filter((id) => {
      const kept = this.#kept.get(id)
      if (kept === undefined) return !lines.has(id)
      this.#kept.delete(id)
      this.#kept.set(id, kept)
      lists.set(id, kept)
      return false
    })
  }

  #list(id: string, trees: Trees): TreeList {
    const known = trees.lists.get(id)
    if (known !== undefined) return known
    const made = this.#join(trees.lines.get(id) ?? [], trees)
    trees.lists.set(id, made)
    if (!this.#kept.has(id)) this.#keptFiles += made.entries?.length ?? 0
    this.#kept.set(id, made)
    return made
  }

  #join(own: readonly TreeLine[], trees: Trees): TreeList {
    const entries: SourceEntry[] = []
    const names = new Set<string>()
    let hasLinks = false
    for (const line of own) {
      const { name, id } = line
      const below = isTree(line) ? this.#list(id, trees) : null
      const kind = kindOf(line.mode)
      const isLink = below?.hasLinks ?? kind === 'symlink'
      if (names.has(name) || !isPlain(name, isLink) || below?.entries === null) return LEFT
      names.add(name)
      hasLinks ||= isLink
      if (below !== null) for (const entry of below.entries) entries.push({ ...entry, path: `${name}/${entry.path}` })
      else if (kind !== null) entries.push({ path: name, kind, id })
      else return LEFT
    }
    return { entries, hasLinks }
  }

  /** The oldest go first: those of trees that changed since. */
  #forget(): void {
    for (const [id, { entries }] of this.#kept) {
      if (this.#keptFiles <= MOST_KEPT) return
      this.#kept.delete(id)
      this.#keptFiles -= entries?.length ?? 0
    }
  }
}

/** What is known of the trees below one tree: each is in one of both. */
interface Trees {
  readonly lists: Map<string, TreeList>
  readonly lines: Map<string, readonly TreeLine[]>
}

/** Before anything is made of them. Throws SOURCE_TOO_LARGE. */
function countFiles(id: string, trees: Trees, counts: Map<string, number>): number {
  const known = trees.lists.get(id)?.entries?.length ?? counts.get(id)
  if (known !== undefined) return known
  let count = 0
  for (const line of trees.lines.get(id) ?? []) count += isTree(line) ? countFiles(line.id, trees, counts) : 1
  if (count > MOST_FILES) throw tooMany()
  counts.set(id, count)
  return count
}

const LEFT: TreeList = { entries: null, hasLinks: false }

const isTree = ({ mode }: TreeLine): boolean => /^0?40000$/.test(mode)

function kindOf(mode: string): SourceEntry['kind'] | null {
  if (mode === '120000') return 'symlink'
  if (!/^100[0-7]{3}$/.test(mode)) return null
  return (Number.parseInt(mode, 8) & 0o100) === 0 ? 'file' : 'executable'
}

/** Whether no rule of git for names (verify_path, with protectHFS and protectNTFS) can touch a name. `isLink`: of a folder, whether links are in it. */
function isPlain(name: string, isLink: boolean): boolean {
  if (/[/\\]/.test(name) || name === '' || name === '.' || name === '..') return false
  if (Buffer.byteLength(name) > LONGEST_NAME) return false
  // HFS+ leaves some letters beyond ASCII out when it compares.
  const seen = name.toLowerCase().replace(/[^\x20-\x7e]/g, '')
  if (!/^(?:\.?git|gi[0-9a-f]*~)/.test(seen)) return true
  return !isLink && (HONEST.test(seen) || !/^(?:\.git|gi[0-9a-z]*~)/.test(seen))
}

const tooMany = (): DeployError =>
  new DeployError('SOURCE_TOO_LARGE', `the commit has more than ${MOST_FILES} files`, {
    hint: 'So many are built from nothing that people write: look at it with git ls-tree -r HEAD.',
  })
