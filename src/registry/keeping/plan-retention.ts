import type { ExpiredTag, RetentionRule } from '../../model/registry-keeping.ts'
import { matchesRepository } from '../../model/registry-right.ts'

/** A tag of a repository, and when it was set or used by a deploy last. */
export interface TagAge {
  readonly repository: string
  readonly tag: string
  readonly setAtMs: number
}

/** A tag that is to go, if it was not set or used since. */
type PlannedTag = TagAge & ExpiredTag

const DAY_MS = 86_400_000

/** The tags that a rule lets go, in the order in which they were given. */
export function planRetention(tags: readonly TagAge[], rule: RetentionRule, nowMs: number): readonly PlannedTag[] {
  const about = tags.filter(({ repository, tag }) => isAbout(rule, repository, tag))
  const kept = new Set(rule.keepLast === null ? [] : lastOfEach(about, rule.keepLast))
  const before = rule.olderThanMs === null ? Number.POSITIVE_INFINITY : nowMs - rule.olderThanMs
  return about
    .filter((tag) => !kept.has(tag) && tag.setAtMs < before)
    .map(({ repository, tag, setAtMs }) => ({ repository, tag, setAtMs, cause: causeOf(rule, nowMs - setAtMs) }))
}

function isAbout({ repositories, tags, protect }: RetentionRule, repository: string, tag: string): boolean {
  if (!matchesRepository(repositories, repository)) return false
  if (protect.some((pattern) => matchesTag(pattern, tag))) return false
  return tags.length === 0 || tags.some((pattern) => matchesTag(pattern, tag))
}

/** The youngest of each repository; of two that are as old the one whose name comes later in the alphabet. */
function lastOfEach(tags: readonly TagAge[], count: number): readonly TagAge[] {
  const byRepository = Map.groupBy(tags, ({ repository }) => repository)
  return [...byRepository.values()].flatMap((own) =>
    own.toSorted((a, b) => b.setAtMs - a.setAtMs || (a.tag < b.tag ? 1 : -1)).slice(0, count),
  )
}

/** Compared piece by piece: no pattern makes it slow. */
export function matchesTag(pattern: string, tag: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return tag === first
  if (!tag.startsWith(first) || !tag.endsWith(last) || tag.length < first.length + last.length) return false
  let at = first.length
  const end = tag.length - last.length
  for (const piece of rest) {
    const found = tag.indexOf(piece, at)
    if (found < 0 || found + piece.length > end) return false
    at = found + piece.length
  }
  return true
}

function causeOf({ keepLast, olderThanMs }: RetentionRule, ageMs: number): string {
  const causes = [
    ...(keepLast === null ? [] : [`not among the last ${keepLast}`]),
    ...(olderThanMs === null ? [] : [`set ${(ageMs / DAY_MS).toFixed(1)} days ago`]),
  ]
  return causes.length === 0 ? 'named by a pattern' : causes.join(', ')
}
