import { nodeAt, type MapNode, type Path } from './placed-tree.ts'

/** The names and texts of a map such as `env`, each value as it is written: 1.10 stays 1.10. */
export function textMapAt(root: MapNode, path: Path): Readonly<Record<string, string>> {
  const node = nodeAt(root, path)
  if (node?.kind !== 'map') return {}
  return Object.fromEntries(
    [...node.entries].flatMap(([key, entry]) => (entry.node.kind === 'scalar' ? [[key, entry.node.text]] : [])),
  )
}

/** The items of a list of texts, each as it is written; a single text is a list of one. */
export function textsAt(root: MapNode, path: Path): readonly string[] {
  const node = nodeAt(root, path)
  if (node?.kind === 'scalar') return [node.text]
  if (node?.kind !== 'list') return []
  return node.items.flatMap((item) => (item.kind === 'scalar' ? [item.text] : []))
}
