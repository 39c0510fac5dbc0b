import { type Directives, type Escape, readDirectives } from './directives.ts'
import { type Heredoc, heredocOf, readHeredoc } from './heredoc.ts'
import { type Place, syntaxError } from './place.ts'
import { splitFlags } from './split-words.ts'

/** One instruction as it stands in the file: continued lines joined, comments and empty lines inside removed. */
export interface RawInstruction {
  /** In capitals, as everybody writes it. */
  readonly keyword: string
  readonly flags: readonly string[]
  /** What follows keyword and flags. */
  readonly rest: string
  /** The joined line, for people and for the history of the image. */
  readonly text: string
  readonly heredocs: readonly Heredoc[]
  readonly place: Place
  readonly lastLine: number
}

export interface ParsedDockerfile {
  readonly directives: Directives
  readonly instructions: readonly RawInstruction[]
}

const WITH_HEREDOCS = new Set(['ADD', 'COPY', 'RUN'])

/**
 * Splits a Dockerfile into instructions by BuildKit's rules (frontend/dockerfile/parser). Meaning comes later: an unknown
 * keyword passes here. Throws DOCKERFILE_SYNTAX.
 */
export function parseDockerfile(content: string, file: string): ParsedDockerfile {
  const written = content.replace(/^\uFEFF/, '').split('\n')
  if (written.at(-1) === '') written.pop()
  const lines = written.map((line) => line.replace(/\r$/, ''))
  const directives = readDirectives(lines, file)
  const instructions: RawInstruction[] = []
  let at = 0
  while (at < lines.length) {
    const joined = joinContinued(lines, at, directives.escapeChar)
    if (joined.text === '') {
      at = joined.next
      continue
    }
    const column = (lines[at] ?? '').search(/\S/) + 1
    const { instruction, next } = finish(joined, { file, line: at + 1, column }, written, directives.escapeChar)
    instructions.push(instruction)
    at = next
  }
  return { directives, instructions }
}

const isComment = (line: string): boolean => /^\s*#/.test(line)

/** Joins a line with those that continue it. Comments and empty lines in between do not end it. */
function joinContinued(lines: readonly string[], from: number, escapeChar: Escape): { text: string; next: number } {
  const ending = escapeChar === '`' ? /(^|[^`])`[ \t]*$/ : /(^|[^\\])\\[ \t]*$/
  const first = (lines[from] ?? '').trimStart()
  if (first.startsWith('#')) return { text: '', next: from + 1 }
  let text = first.replace(ending, '$1')
  let open = text !== first
  let at = from + 1
  for (; open && at < lines.length; at++) {
    const line = lines[at] ?? ''
    if (isComment(line) || line.trim() === '') continue
    const part = line.replace(ending, '$1')
    open = part !== line
    text += part
  }
  return { text: text.trimEnd(), next: at }
}

function finish(
  joined: { text: string; next: number },
  place: Place,
  written: readonly string[],
  escapeChar: Escape,
): { instruction: RawInstruction; next: number } {
  const [, word = '', after = ''] = /^(\S+)\s*([\s\S]*)$/.exec(joined.text) ?? []
  const keyword = word.toUpperCase()
  const { flags, rest } = splitFlags(after, escapeChar)
  const heredocs: Heredoc[] = []
  let { next } = joined
  for (const opening of openings(keyword, rest)) {
    const read = readHeredoc(opening, written, next)
    if (read === null) {
      const hint = `Write ${opening.name} alone on a line after the text.`
      throw syntaxError(place, `the here-document <<${opening.name} has no end`, hint)
    }
    heredocs.push(read.heredoc)
    next = read.next
  }
  return { instruction: { keyword, flags, rest, text: joined.text, heredocs, place, lastLine: next }, next }
}

function openings(keyword: string, rest: string): Omit<Heredoc, 'content'>[] {
  const subject = keyword === 'ONBUILD' ? (/^\S+/.exec(rest)?.[0].toUpperCase() ?? '') : keyword
  if (!WITH_HEREDOCS.has(subject) || !rest.includes('<<')) return []
  // Quotes belong to the name of a here-document, so words are split at blanks only.
  return rest.split(/\s+/).flatMap((word) => heredocOf(word) ?? [])
}
