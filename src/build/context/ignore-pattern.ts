import { posix } from 'node:path'

/** One line of a .dockerignore: what it matches, and whether it brings back (`!`). */
export interface IgnorePattern {
  readonly exception: boolean
  matches(path: string): boolean
}

/**
 * Reads a line by the rules of moby/patternmatcher and its ignorefile; null: a comment or nothing. Throws SyntaxError.
 * `*` and `?` stay within one name, `**` is any number of folders, `[a-z]` and `\x` are Go's filepath.Match.
 */
export function readIgnorePattern(line: string): IgnorePattern | null {
  if (line.startsWith('#')) return null
  const text = line.trim()
  if (text === '') return null
  const exception = text.startsWith('!')
  const written = exception ? text.slice(1).trim() : text
  if (written === '') throw new SyntaxError('"!" has no pattern')
  const pattern = clean(written)
  return { exception, matches: matcher(pattern) }
}

/** Go's filepath.Clean, and no slash at the start. */
function clean(path: string): string {
  const normal = posix.normalize(path).replace(/(?<=.)\/+$/, '')
  return normal.length > 1 ? normal.replace(/^\//, '') : normal
}

/** `**` at one end is a comparison of texts there, as in moby/patternmatcher: `**x` also ends `yx`. */
function matcher(pattern: string): (path: string) => boolean {
  const regexp = new RegExp(`^${source(pattern)}$`, 'su')
  const isPlain = (text: string) => !/[*?[\]\\]/.test(text)
  const [start, end] = [pattern.slice(2), pattern.slice(0, -2)]
  if (pattern.startsWith('**') && isPlain(start)) {
    return (path) => path.endsWith(start) || (start.startsWith('/') && path === start.slice(1))
  }
  if (pattern.endsWith('**') && isPlain(end)) return (path) => path.startsWith(end)
  return isPlain(pattern) ? (path) => path === pattern : (path) => regexp.test(path)
}

const PART = /\*\*\/?|\*|\?|\[\^?(?:\\.|[^\]\\])+\]|\\.|[\s\S]/gsu

/** The source of a regular expression for a pattern. */
function source(pattern: string): string {
  return pattern.replace(PART, (part: string, at: number) => {
    if (part.startsWith('**')) return at + part.length === pattern.length ? '.*' : '(?:.*/)?'
    if (part === '*') return '[^/]*'
    if (part === '?') return '[^/]'
    if (part.length > 1 && part.startsWith('[')) return classSource(part)
    if (part === '[' || part === '\\') throw new SyntaxError(`"${part}" has no end in ${pattern}`)
    return literal(part.replace(/^\\(?=.)/su, ''))
  })
}

const classSource = (set: string): string =>
  `[${set.startsWith('[^') ? '^' : ''}${set.slice(set.startsWith('[^') ? 2 : 1, -1).replace(/\\(.)|[[&~|^]/gsu, (part, escaped?: string) => `\\${escaped ?? part}`)}]`

const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
