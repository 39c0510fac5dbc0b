import type { z } from 'zod'
import type { Path } from '../tree/placed-tree.ts'

type ZodIssue = z.core.$ZodIssue

/** One complaint of the schema with its whole path, unions taken apart. */
export interface Issue {
  readonly path: Path
  readonly kind: 'unknown-key' | 'wrong-key' | 'wrong-value'
  /** Completes "expected …". */
  readonly expected: string
  readonly hint: string | null
}

/** The library's issues, flat. Of a union, the branch that was most likely meant speaks. */
export function flatIssues(issues: readonly ZodIssue[], above: Path = []): readonly Issue[] {
  return issues.flatMap((issue) => flat(issue, [...above, ...issue.path.map(pathPart)]))
}

function flat(issue: ZodIssue, path: Path): readonly Issue[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...path, key]))
  if (issue.code === 'invalid_union') return ofUnion(issue, path)
  const expected = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? 'another name') : issue.message
  const kind = issue.code === 'invalid_key' ? 'wrong-key' : 'wrong-value'
  return [{ path, kind, expected: spoken(issue, expected), hint: hintOf(issue) }]
}

const unknownKey = (path: Path): Issue => ({ path, kind: 'unknown-key', expected: '', hint: null })

function ofUnion(issue: z.core.$ZodIssueInvalidUnion, path: Path): readonly Issue[] {
  const fitting = issue.errors.filter((branch) => !branch.some(isOfAnotherKind))
  const [best] = fitting.toSorted((a, b) => a.length - b.length)
  if (best !== undefined) {
    const unknown = best.filter(({ code }) => code === 'unrecognized_keys')
    return flatIssues(unknown.length > 0 ? unknown : best, path)
  }
  return [{ path, kind: 'wrong-value', expected: issue.message, hint: null }]
}

const isOfAnotherKind = (issue: ZodIssue): boolean => issue.code === 'invalid_type' && issue.path.length === 0

/** The texts that the library makes by itself, where the schema has none of ours. */
function spoken(issue: ZodIssue, message: string): string {
  if (!message.startsWith('Invalid input')) return message
  if (issue.code !== 'invalid_type') return 'another value'
  return LIBRARY_TYPES[issue.expected] ?? `a ${issue.expected}`
}

const LIBRARY_TYPES: Readonly<Record<string, string>> = {
  object: 'keys',
  record: 'names with values',
  array: 'a list',
  string: 'a text',
}

function hintOf(issue: ZodIssue): string | null {
  const inner = issue.code === 'invalid_key' ? issue.issues[0] : issue
  const hint: unknown = inner?.code === 'custom' ? inner.params?.hint : undefined
  return typeof hint === 'string' ? hint : null
}

const pathPart = (part: PropertyKey): string | number => (typeof part === 'number' ? part : String(part))
