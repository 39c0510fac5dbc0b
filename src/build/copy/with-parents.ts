import { isPattern } from '../context/match-paths.ts'
import { readIgnore } from '../context/ignore.ts'
import type { Place } from '../dockerfile/place.ts'
import { joinPath } from '../image/file-tree.ts'
import { type CopySource, findOne, insideOf } from './find-sources.ts'

/** An entry that `COPY --parents` takes. */
export interface Kept {
  /** In the source's tree. */
  readonly path: string
  /** Where it goes, from the destination on. */
  readonly inside: string
}

/**
 * What a source of `COPY --parents` means: all that its pattern matches (`**` is any folders), each behind the folders that
 * lead to it, with their own owner and mode, in order. `/./` marks from where on folders are kept. Links are not followed
 * behind that mark. Throws BUILD_COPY_SOURCE_MISSING for a path that is no pattern and is not there.
 */
export function withParents(source: CopySource, place: Place): readonly Kept[] {
  const clean = normal(insideOf(source, place), true)
  const [pivot, pattern] = clean.includes('/./')
    ? [clean.slice(0, clean.indexOf('/./')), clean.slice(clean.indexOf('/./') + 3)]
    : ['', clean]
  const root = findOne(source, normal(pivot, false), place).path
  const wanted = normal(pattern, false)
  const at = (inside: string) => (inside === '' ? root : joinPath(root, inside))
  if (!isPattern(wanted)) findOne(source, at(wanted), place)
  const { files } = source.from
  const matches = readIgnore(wanted === '' ? '**' : wanted)
  const fixed = fixedPart(wanted)
  const kept = new Map<string, Kept>()
  const keep = (inside: string) => {
    for (let end = inside.indexOf('/'); end > 0; end = inside.indexOf('/', end + 1)) keepOne(inside.slice(0, end))
    keepOne(inside)
  }
  const keepOne = (inside: string) => {
    if (!kept.has(inside)) kept.set(inside, { path: at(inside), inside })
  }
  const walk = (inside: string) => {
    const entry = files.at(at(inside))
    if (entry === null) return
    if (inside !== '' && matches.ignores(inside)) keep(inside)
    if (entry.type === 'directory') for (const name of files.names(at(inside))) walk(joinPath(inside, name))
  }
  walk(fixed)
  return [...kept.values()]
}

/** Without `.`, empty parts and what `..` takes back; `/./` stays where it is the mark. */
function normal(path: string, keepsMark: boolean): string {
  const mark = keepsMark ? path.indexOf('/./') : -1
  if (mark >= 0) return `${normal(path.slice(0, mark), false)}/./${normal(path.slice(mark + 3), false)}`
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.join('/')
}

/** The folders in front of the first part that is a pattern: nothing else needs to be looked at. */
function fixedPart(pattern: string): string {
  const parts = pattern.split('/')
  const first = parts.findIndex(isPattern)
  return (first < 0 ? parts : parts.slice(0, first)).join('/')
}
