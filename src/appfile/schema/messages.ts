import type { z } from 'zod'
import { nearest } from '../../lib/nearest.ts'
import type { Problem } from '../problem.ts'
import {
  type MapNode,
  nearestNode,
  nodeAt,
  type Path,
  pathText,
  type Place,
  type TreeNode,
} from '../tree/placed-tree.ts'
import type { Issue } from './issues.ts'
import { knownKeys } from './known-keys.ts'

/** What people write who know another tool, or the English word. */
const MEANT: Readonly<Record<string, string>> = {
  environment: '`env` or `environments`',
  branch: '`source.ref`',
  cmd: '`run`',
  command: '`run`',
  containers: '`roles`',
  healthcheck: '`health`',
  name: '`app`',
  ports: '`port` or `routes`',
  processes: '`roles`',
  scale: '`replicas`',
  servers: '`hosts`',
  services: '`roles`',
  variables: '`env`',
}
/** Below these keys a text may be a secret that was written here by mistake: it is never shown. */
const UNSHOWN = new Set(['env', 'args', 'secrets', 'git', 'svn', 'cluster'])

/** Schema issues as problems with a place, what was expected and the nearest right name. */
export function problemOf(issue: Issue, root: MapNode, schema: z.core.$ZodType): Problem {
  if (issue.kind === 'unknown-key') return unknownKey(issue.path, root, schema)
  const key = issue.path.length === 0 ? '' : `${pathText(issue.path)}: `
  if (issue.kind === 'wrong-key') {
    const name = String(issue.path.at(-1)).slice(0, 80)
    return {
      place: keyPlace(root, issue.path),
      message: `${pathText(issue.path.slice(0, -1))}: expected ${issue.expected}, got ${JSON.stringify(name)}`,
      hint: issue.hint ?? SCHEMA_HINT,
    }
  }
  const node = nodeAt(root, issue.path)
  const variables = node?.kind === 'scalar' ? node.variables : []
  return {
    place: nearestNode(root, issue.path).place,
    message: `${key}expected ${issue.expected}, got ${shown(node, issue.path)}`,
    hint:
      variables.length > 0
        ? `The value comes from ${variables.join(', ')}.`
        : (issue.hint ?? nearestValue(node, issue)),
  }
}

const SCHEMA_HINT = 'See what may stand here with: naru schema'

function unknownKey(path: Path, root: MapNode, schema: z.core.$ZodType): Problem {
  const wrong = String(path.at(-1))
  const known = knownKeys(schema, path.slice(0, -1))
  const meant = Object.hasOwn(MEANT, wrong) ? MEANT[wrong] : undefined
  const near = nearest(wrong.slice(0, 80), known)
  const guess = meant ?? (near === undefined ? undefined : `\`${near}\``)
  return {
    place: keyPlace(root, path),
    message: `${pathText(path).slice(0, 200)} is no key of naru.yaml`,
    hint: guess === undefined ? `Keys here: ${known.join(', ')}.` : `Did you mean ${guess}?`,
  }
}

function keyPlace(root: MapNode, path: Path): Place {
  const map = nodeAt(root, path.slice(0, -1))
  const entry = map?.kind === 'map' ? map.entries.get(String(path.at(-1))) : undefined
  return entry?.place ?? nearestNode(root, path).place
}

function shown(node: TreeNode | undefined, path: Path): string {
  if (node === undefined) return 'nothing'
  if (node.kind !== 'scalar') return node.kind === 'map' ? 'keys' : 'a list'
  if (node.value === null) return 'nothing'
  if (node.variables.length > 0) return `the value of ${node.variables.join(' and ')}`
  if (path.some((part) => UNSHOWN.has(String(part))))
    return typeof node.value === 'string' ? 'another text' : `a ${typeof node.value}`
  return typeof node.value === 'string' ? JSON.stringify(node.value.slice(0, 60)) : node.text.slice(0, 60)
}

/** For a choice (`RollingUpdate, Recreate …`) the nearest of them. */
function nearestValue(node: TreeNode | undefined, issue: Issue): string {
  if (node?.kind !== 'scalar' || typeof node.value !== 'string') return SCHEMA_HINT
  const choices = issue.expected.replace(/^one of /, '').split(/, | or /)
  const near = choices.length > 1 ? nearest(node.value.slice(0, 80), choices) : undefined
  return near === undefined ? SCHEMA_HINT : `Did you mean ${near}?`
}
