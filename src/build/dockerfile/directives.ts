import { type Place, syntaxError } from './place.ts'

export type Escape = '\\' | '`'

/** Parser directives: `# syntax=`, `# escape=`, `# check=` in the first lines of the file. */
export interface Directives {
  readonly syntax: string | null
  readonly escapeChar: Escape
  readonly check: string | null
}

const DIRECTIVE = /^#[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(.+?)[ \t]*$/
const KNOWN = new Set(['syntax', 'escape', 'check'])

/**
 * Reads the directives. The first line that is none (a comment, an empty line, an unknown key, an instruction) ends them;
 * keys know no case; each may stand once.
 */
export function readDirectives(lines: readonly string[], file: string): Directives {
  const found = new Map<string, string>()
  for (const [index, line] of lines.entries()) {
    const [, key = '', value = ''] = DIRECTIVE.exec(line) ?? []
    const name = key.toLowerCase()
    if (!KNOWN.has(name)) break
    const place: Place = { file, line: index + 1, column: 1 }
    if (found.has(name)) throw syntaxError(place, `directive ${name} stands twice`, `Keep one "# ${name}=" line.`)
    if (name === 'escape' && value !== '\\' && value !== '`') {
      throw syntaxError(place, `escape=${value} is not allowed`, 'Write "# escape=\\" or "# escape=`".')
    }
    found.set(name, value)
  }
  return {
    syntax: found.get('syntax') ?? null,
    escapeChar: found.get('escape') === '`' ? '`' : '\\',
    check: found.get('check') ?? null,
  }
}
