import { stripVTControlCharacters } from 'node:util'

/**
 * The same data without control characters in its texts: a commit's subject or a program's output must not steer the
 * terminal of whoever looks at it. JSON needs none of this: it escapes them.
 */
export function printable<T>(value: T): T {
  return clean(value) as T
}

function clean(value: unknown): unknown {
  if (typeof value === 'string') return printableText(value)
  if (Array.isArray(value)) return value.map(clean)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [printableText(key), clean(inner)]))
}

/** Line ends stay; a tab becomes spaces, because widths are counted. */
function printableText(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll('\t', '    ')
    .replaceAll(/[^\P{Cc}\n]/gu, '')
}

/** A line of a program's log: its colours stay, everything else that steers a terminal goes. */
export const printableLog = (line: string): string =>
  line.replaceAll(/\p{Cc}/gu, (control: string, at: number) =>
    control === '\t' || (control === ESCAPE && COLOUR.test(line.slice(at + 1))) ? control : '',
  )

const ESCAPE = '\u001b'
const COLOUR = /^\[[\d;]*m/
