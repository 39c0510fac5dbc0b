/** Where something stands, for people: line and column count from 1. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
}

interface Placed {
  readonly place: Place
  /** The environment under which it is written; null: at the top level. */
  readonly environment: string | null
}

export interface ScalarNode extends Placed {
  readonly kind: 'scalar'
  readonly value: string | number | boolean | null
  /** As written (`1.10`, `007`), which the value no longer tells. */
  readonly text: string
  /** Names of the variables that made the value. Such a value is never shown in an error. */
  readonly variables: readonly string[]
}

export interface ListNode extends Placed {
  readonly kind: 'list'
  readonly items: readonly TreeNode[]
}

export interface MapNode extends Placed {
  readonly kind: 'map'
  readonly entries: ReadonlyMap<string, Entry>
}

/** One key of a map. `place` is the key's own. */
export interface Entry {
  readonly place: Place
  readonly node: TreeNode
}

/** A file as a tree in which every value knows where it was written: what naru.yaml is until it has been checked. */
export type TreeNode = ScalarNode | ListNode | MapNode

export type Path = readonly (string | number)[]

/** `roles.web.port`, `routes[0].host`: how messages name a place in the file. */
export function pathText(path: Path): string {
  return path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('')
}

/** `naru.yaml:12:5`. */
export const placeText = ({ file, line, column }: Place): string => `${file}:${line}:${column}`

/** The node at a path, or undefined. */
export function nodeAt(root: TreeNode | undefined, path: Path): TreeNode | undefined {
  let node: TreeNode | undefined = root
  for (const part of path) node = node && childAt(node, part)
  return node
}

/** The node at a path, else the nearest one above it: where a problem with something missing is shown. */
export function nearestNode(root: TreeNode, path: Path): TreeNode {
  for (let length = path.length; length > 0; length--) {
    const node = nodeAt(root, path.slice(0, length))
    if (node !== undefined) return node
  }
  return root
}

function childAt(node: TreeNode, part: string | number): TreeNode | undefined {
  if (node.kind === 'map') return node.entries.get(String(part))?.node
  if (node.kind === 'list' && typeof part === 'number') return node.items[part]
  return undefined
}

/** The tree as plain values. Keys such as `__proto__` never get this far: the reader refuses them. */
export function plainOf(node: TreeNode): unknown {
  if (node.kind === 'scalar') return node.value
  if (node.kind === 'list') return node.items.map(plainOf)
  return Object.fromEntries([...node.entries].map(([key, entry]) => [key, plainOf(entry.node)]))
}

/** The same tree with every scalar replaced by `change`; paths are those of the scalars. */
export function mapScalars(
  node: TreeNode,
  change: (scalar: ScalarNode, path: Path) => ScalarNode,
  path: Path = [],
): TreeNode {
  if (node.kind === 'scalar') return change(node, path)
  if (node.kind === 'list')
    return { ...node, items: node.items.map((item, index) => mapScalars(item, change, [...path, index])) }
  const entries = [...node.entries].map(([key, entry]): [string, Entry] => [
    key,
    { ...entry, node: mapScalars(entry.node, change, [...path, key]) },
  ])
  return { ...node, entries: new Map(entries) }
}

/** A map with some keys set, or removed where the entry is undefined. */
export function withEntries(map: MapNode, changes: Readonly<Record<string, Entry | undefined>>): MapNode {
  const entries = new Map(map.entries)
  for (const [key, entry] of Object.entries(changes)) {
    if (entry === undefined) entries.delete(key)
    else entries.set(key, entry)
  }
  return { ...map, entries }
}

/** An empty map that stands where nothing was written. */
export const emptyMap = (place: Place): MapNode => ({ kind: 'map', place, environment: null, entries: new Map() })
