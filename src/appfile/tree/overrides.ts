import type { Problem } from '../problem.ts'
import { type Entry, type MapNode, nodeAt, type TreeNode } from './placed-tree.ts'

/** Maps merge, lists and scalars replace; a null stays and removes the key in `withoutNulls`. */
export function mergeTrees(base: MapNode, over: MapNode): MapNode {
  const entries = new Map(base.entries)
  for (const [key, entry] of over.entries) {
    const below = entries.get(key)?.node
    const node = below?.kind === 'map' && entry.node.kind === 'map' ? mergeTrees(below, entry.node) : entry.node
    entries.set(key, { ...entry, node })
  }
  return { ...base, entries }
}

/** The tree with each of its values marked as written under an environment. */
export function underEnvironment<T extends TreeNode>(node: T, environment: string): T
export function underEnvironment(node: TreeNode, environment: string): TreeNode {
  if (node.kind === 'scalar') return { ...node, environment }
  if (node.kind === 'list')
    return { ...node, environment, items: node.items.map((item) => underEnvironment(item, environment)) }
  const entries = [...node.entries].map(([key, entry]): [string, Entry] => [
    key,
    { ...entry, node: underEnvironment(entry.node, environment) },
  ])
  return { ...node, environment, entries: new Map(entries) }
}

/** A map without the keys whose value is null, at every depth. */
export function withoutNulls(map: MapNode): MapNode {
  const entries = [...map.entries].flatMap(([key, entry]): [string, Entry][] => {
    const { node } = entry
    if (node.kind === 'scalar' && node.value === null) return []
    return [[key, node.kind === 'map' ? { ...entry, node: withoutNulls(node) } : entry]]
  })
  return { ...map, entries: new Map(entries) }
}

/**
 * The blocks of an environment, first to last: what it extends comes before it. A missing or circular `extends` is a problem,
 * and ends the chain.
 */
export function environmentChain(
  environments: MapNode,
  name: string,
): {
  readonly chain: readonly { readonly name: string; readonly block: MapNode }[]
  readonly problems: readonly Problem[]
} {
  const chain: { readonly name: string; readonly block: MapNode }[] = []
  let next: string | undefined = name
  while (next !== undefined) {
    const block = environments.entries.get(next)?.node
    if (block?.kind !== 'map') break
    chain.unshift({ name: next, block })
    const extended = nodeAt(block, ['extends'])
    next = extended?.kind === 'scalar' && typeof extended.value === 'string' ? extended.value : undefined
    if (extended === undefined || next === undefined) break
    const problem = extendsProblem(
      environments,
      chain.map((link) => link.name),
      { name: next, place: extended.place },
    )
    if (problem !== null) return { chain, problems: [problem] }
  }
  return { chain, problems: [] }
}

function extendsProblem(
  environments: MapNode,
  seen: readonly string[],
  extended: { readonly name: string; readonly place: Problem['place'] },
): Problem | null {
  const { name, place } = extended
  const known = [...environments.entries.keys()]
  if (!known.includes(name))
    return {
      place,
      message: `extends: there is no environment ${JSON.stringify(name.slice(0, 80))}`,
      hint: `Write one of: ${known.join(', ')}.`,
    }
  if (!seen.includes(name)) return null
  return {
    place,
    message: `extends goes in a circle: ${[...seen].reverse().join(' → ')} → ${name}`,
    hint: 'Remove one of these `extends`.',
  }
}
