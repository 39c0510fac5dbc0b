/** A text as the source of a regular expression that matches just it. */
const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')

/** The source of a regular expression for a shell pattern: `*`, `?` and `\x`; everything else stands for itself. */
function patternSource(pattern: string, longest: boolean): string {
  return pattern.replace(/\\(.)|[\s\S]/g, (part: string, escaped: string | undefined) => {
    if (escaped !== undefined) return literal(escaped)
    if (part === '*') return longest ? '.*' : '.*?'
    return part === '?' ? '.' : literal(part)
  })
}

/** `${x#pattern}` and `${x%pattern}`: the value without the shortest (longest: `##`, `%%`) match at its start or end. */
export function trimPattern(value: string, pattern: string, where: { end: boolean; longest: boolean }): string {
  if (!where.end) return value.replace(new RegExp(`^${patternSource(pattern, where.longest)}`, 's'), '')
  // A regular expression finds the leftmost match, so the shortest one at the end is looked for from the right.
  const whole = new RegExp(`^${patternSource(pattern, true)}$`, 's')
  const starts = Array.from({ length: value.length + 1 }, (_, at) => at)
  const found = (where.longest ? starts : starts.reverse()).find((at) => whole.test(value.slice(at)))
  return found === undefined ? value : value.slice(0, found)
}

/** `${x/pattern/text}`, and with `all` `${x//pattern/text}`. */
export function replacePattern(value: string, pattern: string, text: string, all: boolean): string {
  return value.replace(new RegExp(patternSource(pattern, true), all ? 'gs' : 's'), () => text)
}
