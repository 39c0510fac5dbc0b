import stringWidth from 'string-width'

/** A table with aligned columns, two spaces apart; the head names them. Widths count what a terminal shows. */
export function columns(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => stringWidth(row[column] ?? ''))))
  return all.map((row) =>
    row
      .map((cell, column) => padEnd(cell, widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** Pads to a width as a terminal counts it. */
export const padEnd = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - stringWidth(text)))

/** Rows of a terminal that a line takes: one that is longer than a row is wrapped. */
export const rowsTaken = (line: string, width: number): number => Math.max(1, Math.ceil(stringWidth(line) / width))

/** Fields three spaces apart; those that do not fit go to further lines, indented. */
export function joinFields(fields: readonly (string | null)[], width: number): string[] {
  const lines: string[] = []
  for (const field of fields) {
    if (field === null || field === '') continue
    const last = lines.at(-1)
    const joined = last === undefined ? field : `${last}   ${field}`
    if (last === undefined) lines.push(joined)
    else if (stringWidth(joined) <= width) lines[lines.length - 1] = joined
    else lines.push(`    ${field}`)
  }
  return lines
}

/** The text as far as it fits; what is cut ends in `…`. */
export function cutToWidth(text: string, width: number): string {
  if (stringWidth(text) <= width) return text
  let cut = ''
  for (const letter of text) {
    if (stringWidth(cut + letter) > width - 1) break
    cut += letter
  }
  return `${cut}…`
}
