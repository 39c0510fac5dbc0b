import type { Problem } from './problem.ts'
import { roleKeys } from './schema/role-keys.ts'
import { environmentChain, mergeTrees, underEnvironment, withoutNulls } from './tree/overrides.ts'
import { emptyMap, type Entry, type MapNode, nodeAt, withEntries } from './tree/placed-tree.ts'

const ROLE_KEYS = Object.keys(roleKeys)

/** The names under `environments`; without the key, the one environment is `local`. */
export function environmentNames(root: MapNode): readonly string[] {
  const environments = nodeAt(root, ['environments'])
  return environments?.kind === 'map' && environments.entries.size > 0 ? [...environments.entries.keys()] : ['local']
}

/**
 * A file as one environment sees it: overrides merged, nulls removed, the keys of the role `web` under `roles`, `environments`
 * and `extends` gone. Nothing is checked here but `extends` and keys of a role that belong to none.
 */
export function mergeEnvironment(
  root: MapNode,
  environment: string,
): { readonly root: MapNode; readonly problems: readonly Problem[] } {
  const problems: Problem[] = []
  const base = withEntries(root, { environments: undefined, apps: undefined })
  let merged = withRoles(notNull(base, 'roles'), null, problems)
  for (const { name, block } of blocksOf(root, environment, problems)) {
    const own = withEntries(underEnvironment(block, name), { extends: undefined })
    merged = mergeTrees(merged, withRoles(own, merged, problems))
  }
  return { root: withoutNulls(notMeasured(merged)), problems }
}

function blocksOf(root: MapNode, environment: string, problems: Problem[]) {
  const environments = nodeAt(notNull(root, 'environments'), ['environments'])
  if (environments?.kind !== 'map') return []
  const { chain, problems: wrong } = environmentChain(environments, environment)
  problems.push(...wrong)
  return chain
}

/** `worker:` with nothing behind it, at the top level, is a role (an environment) with every default. */
function notNull(root: MapNode, key: 'roles' | 'environments'): MapNode {
  const entry = root.entries.get(key)
  if (entry?.node.kind !== 'map') return root
  const filled = [...entry.node.entries].map(([name, inner]): [string, Entry] =>
    inner.node.kind === 'scalar' && inner.node.value === null
      ? [name, { ...inner, node: emptyMap(inner.place) }]
      : [name, inner],
  )
  return withEntries(root, { [key]: { ...entry, node: { ...entry.node, entries: new Map(filled) } } })
}

/** Role keys of the top level moved to `roles.web`. `below`: what this map will be merged over; null for the file itself. */
function withRoles(map: MapNode, below: MapNode | null, problems: Problem[]): MapNode {
  const roles = mapAt(map, 'roles')
  const rolesBelow = below && mapAt(below, 'roles')
  const short = ROLE_KEYS.flatMap((key): [string, Entry][] => {
    const entry = map.entries.get(key)
    return entry === undefined ? [] : [[key, entry]]
  })
  if (short.length === 0 && (below !== null || roles !== null)) return map
  const others = roles ?? rolesBelow
  if (others !== null && !roles?.entries.has('web') && !rolesBelow?.entries.has('web')) {
    problems.push(...short.map(([key, entry]) => strayKey(key, entry, [...others.entries.keys()])))
    return map
  }
  const place = short[0]?.[1].place ?? map.place
  const web: MapNode = { ...emptyMap(place), entries: new Map(short) }
  const added: MapNode = { ...emptyMap(place), entries: new Map([['web', { place, node: web }]]) }
  const node = roles === null ? added : mergeTrees(added, roles)
  const moved = Object.fromEntries(short.map(([key]) => [key, undefined]))
  return withEntries(map, { ...moved, roles: { place, node } })
}

function strayKey(key: string, { place }: Entry, names: readonly string[]): Problem {
  return {
    place,
    message: `${key}: at the top level it is a key of the role web, and there is none`,
    hint: `Write it under a role, such as roles.${names[0] ?? 'NAME'}.${key}.`,
  }
}

/** `receipt: null` removes nothing: it says that nothing is measured. */
function notMeasured(map: MapNode): MapNode {
  const entry = map.entries.get('receipt')
  if (entry?.node.kind !== 'scalar' || entry.node.value !== null) return map
  return withEntries(map, { receipt: { ...entry, node: { ...entry.node, value: false, text: 'false' } } })
}

function mapAt(map: MapNode, key: string): MapNode | null {
  const node = nodeAt(map, [key])
  return node?.kind === 'map' ? node : null
}
