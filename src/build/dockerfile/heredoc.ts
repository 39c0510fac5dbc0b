/** A here-document of COPY, ADD or RUN: `<<NAME`, `<<-NAME` (leading tabs go), `<<"NAME"` (nothing is expanded). */
export interface Heredoc {
  readonly name: string
  readonly expand: boolean
  readonly chomp: boolean
  /** The file descriptor before `<<` (`3<<EOF`); 0 without one. */
  readonly descriptor: number
  readonly content: string
}

const HEREDOC = /^(\d*)<<(-?)([^<].*)$/

/** The here-document that a word of the instruction opens, without its content; null when it opens none. */
export function heredocOf(word: string): Omit<Heredoc, 'content'> | null {
  const [, descriptor, dash, rest] = HEREDOC.exec(word) ?? []
  if (rest === undefined) return null
  const name = rest.replace(/\\(.)|["']/g, '$1')
  if (name === '' || /\s/.test(name) || !quotesBalance(rest)) return null
  return {
    name,
    expand: !/["'\\]/.test(rest),
    chomp: dash === '-',
    descriptor: descriptor === '' ? 0 : Number(descriptor),
  }
}

const quotesBalance = (text: string): boolean =>
  (text.match(/"/g)?.length ?? 0) % 2 === 0 && (text.match(/'/g)?.length ?? 0) % 2 === 0

/** The lines of a here-document after its opening line, as they are written: a carriage return stays. null: its name never came. */
export function readHeredoc(
  opening: Omit<Heredoc, 'content'>,
  lines: readonly string[],
  from: number,
): { readonly heredoc: Heredoc; readonly next: number } | null {
  const unindent = (line: string) => (opening.chomp ? line.replace(/^\t+/, '') : line)
  for (let at = from; at < lines.length; at++) {
    if (unindent(lines[at] ?? '').replace(/\r$/, '') !== opening.name) continue
    const content = lines
      .slice(from, at)
      .map((line) => `${unindent(line)}\n`)
      .join('')
    return { heredoc: { ...opening, content }, next: at + 1 }
  }
  return null
}
