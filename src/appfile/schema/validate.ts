import type { z } from 'zod'
import type { Problem } from '../problem.ts'
import { type MapNode, mapScalars, nodeAt, pathText, plainOf, type ScalarNode } from '../tree/placed-tree.ts'
import { flatIssues, type Issue } from './issues.ts'
import { problemOf } from './messages.ts'

export type Validated<T> =
  | { readonly value: T; readonly root: MapNode; readonly problems: readonly [] }
  | { readonly value: null; readonly root: MapNode; readonly problems: readonly Problem[] }

/** Problems that are put into words: enough for any person, and a bound for a file made to have thousands (A8). */
const MOST = 100

/**
 * Checks a tree against a schema. A value that a variable made is a text; where only a number or a boolean may stand and the
 * text is one, it is read as one. A text that was written in quotes is not.
 */
export function validate<S extends z.ZodType>(root: MapNode, schema: S): Validated<z.output<S>> {
  const first = schema.safeParse(plainOf(root))
  if (first.success) return { value: first.data, root, problems: [] }
  const issues = flatIssues(first.error.issues)
  const read = readAsMeant(root, issues)
  if (read === null)
    return { value: null, root, problems: issues.slice(0, MOST).map((issue) => problemOf(issue, root, schema)) }
  return validate(read, schema)
}

/** The problems of a tree whose variables are not replaced yet: what depends on one is left for later. */
export function problemsAsWritten(root: MapNode, schema: z.ZodType): readonly Problem[] {
  const parsed = schema.safeParse(plainOf(root))
  if (parsed.success) return []
  return flatIssues(parsed.error.issues)
    .filter((issue) => !isOpen(root, issue))
    .slice(0, MOST)
    .map((issue) => problemOf(issue, root, schema))
}

function isOpen(root: MapNode, issue: Issue): boolean {
  const node = nodeAt(root, issue.path)
  if (issue.kind !== 'wrong-value' || node?.kind !== 'scalar') return false
  return node.value === null || (typeof node.value === 'string' && node.value.includes('$'))
}

/** The tree with what variables made read as numbers and booleans, where a text is refused; null when there is nothing to read. */
function readAsMeant(root: MapNode, issues: readonly Issue[]): MapNode | null {
  const refused = new Set(issues.map((issue) => pathText(issue.path)))
  let changed = false
  const tree = mapScalars(root, (scalar, path) => {
    const value = refused.has(pathText(path)) ? asNumberOrFlag(scalar) : null
    if (value === null) return scalar
    changed = true
    return { ...scalar, value }
  })
  return changed && tree.kind === 'map' ? tree : null
}

function asNumberOrFlag({ value, variables }: ScalarNode): number | boolean | null {
  if (variables.length === 0 || typeof value !== 'string') return null
  if (/^-?\d{1,15}(\.\d{1,9})?$/.test(value)) return Number(value)
  return value === 'true' || value === 'false' ? value === 'true' : null
}
