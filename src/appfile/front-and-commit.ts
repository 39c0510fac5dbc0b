import type { PlacedAppFile } from './read-app-file.ts'
import { type MapNode, type Path, pathText, type TreeNode, withEntries } from './tree/placed-tree.ts'

/** One file made of two, and how they differ. */
export interface FrontAndCommit {
  /** null: neither has a file. */
  readonly root: MapNode | null
  readonly file: 'commit' | 'front' | 'none'
  /** What is told to the user, a sentence each. */
  readonly notes: readonly string[]
}

/** Keys that say where things are, not what is deployed: these come from the file in front of the user. */
const FROM_FRONT = ['source', 'environments'] as const
const SHOWN = 5

/**
 * Joins the file in front of the user with that of the commit which is deployed (design.md section 3): the commit's rules,
 * but for `source` and `environments`. `commit` undefined: no commit was looked at; null: it has no naru.yaml.
 */
export function frontAndCommit(front: PlacedAppFile | null, commit: PlacedAppFile | null | undefined): FrontAndCommit {
  if (commit && front === null) return { root: commit.root, file: 'commit', notes: [] }
  if (!commit || front === null) return onlyFront(front, commit === null)
  const taken = Object.fromEntries(FROM_FRONT.map((key) => [key, front.root.entries.get(key)]))
  const differing = differences(front.root, commit.root)
  const isFront = (path: Path) => FROM_FRONT.some((key) => path[0] === key)
  return {
    root: withEntries(commit.root, taken),
    file: 'commit',
    notes: [
      ...note(differing.filter(isFront), 'the file in front of you is used'),
      ...note(
        differing.filter((path) => !isFront(path)),
        "the commit's value is used: commit the change to deploy it",
      ),
    ],
  }
}

function onlyFront(front: PlacedAppFile | null, committed: boolean): FrontAndCommit {
  if (front === null) return { root: null, file: 'none', notes: [] }
  const notes = committed ? [`the commit has no ${front.fileName}: the file in front of you is used`] : []
  return { root: front.root, file: 'front', notes }
}

function note(paths: readonly Path[], what: string): readonly string[] {
  if (paths.length === 0) return []
  const more = paths.length > SHOWN ? ` and ${paths.length - SHOWN} more` : ''
  const keys = paths.slice(0, SHOWN).map(pathText).join(', ')
  return [
    `${keys}${more} ${paths.length === 1 ? 'differs' : 'differ'} between the commit and the file in front of you: ${what}`,
  ]
}

/** The deepest keys at which two trees differ; places do not count. */
function differences(a: TreeNode | undefined, b: TreeNode | undefined, path: Path = []): readonly Path[] {
  if (a?.kind === 'map' && b?.kind === 'map') {
    const keys = new Set([...a.entries.keys(), ...b.entries.keys()])
    return [...keys].flatMap((key) => differences(a.entries.get(key)?.node, b.entries.get(key)?.node, [...path, key]))
  }
  return isEqual(a, b) ? [] : [path]
}

function isEqual(a: TreeNode | undefined, b: TreeNode | undefined): boolean {
  if (a?.kind === 'scalar' && b?.kind === 'scalar') return a.value === b.value && a.text === b.text
  if (a?.kind === 'list' && b?.kind === 'list')
    return a.items.length === b.items.length && a.items.every((item, index) => isEqual(item, b.items[index]))
  if (a?.kind === 'map' && b?.kind === 'map') return differences(a, b).length === 0
  return a === b
}
