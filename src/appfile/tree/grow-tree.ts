import { isAlias, isMap, isPair, isScalar, isSeq, type Node, type Scalar, type YAMLMap } from 'yaml'
import { DeployError } from '../../model/failure.ts'
import { type Problem, refuseProblems } from '../problem.ts'
import type { Entry, MapNode, Place, TreeNode } from './placed-tree.ts'

/** What aliases and merge keys may grow a file to: a billion laughs end here after a millisecond (A8). */
const MAX_NODES = 20_000
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype'])

interface Options {
  readonly placeAt: (offset: number) => Place
  readonly maxDepth: number
}

interface Growth extends Options {
  /** Anchors seen so far, in the order of the text; undefined while the anchored node itself is read. */
  readonly anchors: Map<string, Node | undefined>
  readonly problems: Problem[]
  nodes: number
}

/**
 * The library's nodes as a placed tree: aliases and merge keys followed within a budget, `x-*` keys left out, duplicate and
 * dangerous keys refused. Throws APPFILE_SYNTAX and APPFILE_TOO_LARGE.
 */
export function growTree(contents: Node, options: Options): TreeNode {
  const growth: Growth = { ...options, anchors: new Map(), problems: [], nodes: 0 }
  const tree = grow(contents, growth, 0)
  refuseProblems(growth.problems, 'APPFILE_SYNTAX')
  return tree
}

function grow(node: unknown, growth: Growth, depth: number): TreeNode {
  spend(growth, depth)
  if (isAlias(node)) return grow(aliased(node, growth), growth, depth + 1)
  const place = placeOf(node, growth)
  if (isMap(node)) return anchored(node, growth, () => growMap(node, place, growth, depth))
  if (isSeq(node))
    return anchored(node, growth, () => ({
      kind: 'list',
      place,
      environment: null,
      items: node.items.map((item) => grow(item, growth, depth + 1)),
    }))
  if (isScalar(node)) return anchored(node, growth, () => growScalar(node, place, growth))
  return { kind: 'scalar', place, environment: null, value: null, text: '', variables: [] }
}

function growScalar(node: Scalar, place: Place, growth: Growth): TreeNode {
  const { value } = node
  const known = typeof value === 'number' || typeof value === 'boolean' || value === null
  const kept = known ? value : String(value)
  const text = known && node.source !== undefined ? node.source : String(kept ?? '')
  if (text.includes('\0'))
    growth.problems.push({
      place,
      message: 'a text with a NUL byte',
      hint: 'Remove the \\0: no program can be given one.',
    })
  return { kind: 'scalar', place, environment: null, value: kept, text, variables: [] }
}

function growMap(node: YAMLMap, place: Place, growth: Growth, depth: number): MapNode {
  const own = new Map<string, Entry>()
  const merged = new Map<string, Entry>()
  for (const pair of node.items) {
    if (!isPair(pair)) continue
    const keyPlace = placeOf(pair.key, growth)
    const key = isScalar(pair.key) ? keyText(pair.key) : null
    const value = grow(pair.value, growth, depth + 1)
    if (key === '<<') mergeInto(merged, value, keyPlace, growth)
    else if (key === null || FORBIDDEN_KEYS.has(key) || own.has(key)) growth.problems.push(keyProblem(key, keyPlace))
    else if (!key.startsWith('x-')) own.set(key, { place: keyPlace, node: value })
  }
  return { kind: 'map', place, environment: null, entries: new Map([...merged, ...own]) }
}

const keyText = (key: Scalar): string => (typeof key.value === 'string' ? key.value : (key.source ?? String(key.value)))

function keyProblem(key: string | null, place: Place): Problem {
  const shown = key?.slice(0, 80)
  if (key === null) return { place, message: 'a key that is no text', hint: 'Write the key as a plain word.' }
  if (FORBIDDEN_KEYS.has(key))
    return { place, message: `the key ${shown} is not allowed`, hint: 'Choose another name.' }
  return { place, message: `the key ${shown} is written twice`, hint: 'Keep one of the two.' }
}

/** `<<: *base` or `<<: [*one, *two]`: earlier maps win over later ones, own keys over both. */
function mergeInto(merged: Map<string, Entry>, value: TreeNode, place: Place, growth: Growth): void {
  for (const map of value.kind === 'list' ? value.items : [value]) {
    if (map.kind !== 'map') {
      growth.problems.push({
        place,
        message: '<< expects a map or a list of maps',
        hint: 'Write <<: *anchor-of-a-map.',
      })
      return
    }
    for (const [key, entry] of map.entries) if (!merged.has(key)) merged.set(key, entry)
  }
}

function anchored(node: Node & { anchor?: string }, growth: Growth, make: () => TreeNode): TreeNode {
  const { anchor } = node
  if (anchor === undefined) return make()
  growth.anchors.set(anchor, undefined)
  const tree = make()
  growth.anchors.set(anchor, node)
  return tree
}

function aliased(alias: Node & { source: string }, growth: Growth): Node | null {
  const found = growth.anchors.get(alias.source)
  if (found !== undefined) return found
  const itself = growth.anchors.has(alias.source)
  growth.problems.push({
    place: placeOf(alias, growth),
    message: itself ? `*${alias.source} stands inside its own anchor` : `*${alias.source} has no anchor before it`,
    hint: `Write &${alias.source} at the value that is meant, above this line.`,
  })
  return null
}

function spend(growth: Growth, depth: number): void {
  growth.nodes += 1
  if (growth.nodes <= MAX_NODES && depth <= growth.maxDepth) return
  const message =
    depth > growth.maxDepth
      ? `the file nests more than ${growth.maxDepth} levels deep`
      : `the file grows beyond ${MAX_NODES} values through its aliases`
  throw new DeployError('APPFILE_TOO_LARGE', message, {
    hint: 'Use fewer aliases and less nesting.',
    detail: { nodes: growth.nodes },
  })
}

function placeOf(node: unknown, growth: Growth): Place {
  const range = isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range : null
  return growth.placeAt(range?.[0] ?? 0)
}
