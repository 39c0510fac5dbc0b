import type { Escape } from './directives.ts'

/**
 * Splits at blanks outside quotes, as BuildKit does for ENV, LABEL and ARG. Quotes and escapes stay in the words: expansion
 * removes them later.
 */
export function splitWords(text: string, escapeChar: Escape): string[] {
  const words: string[] = []
  for (let at = 0; at < text.length; ) {
    const end = wordEnd(text, at, escapeChar)
    if (end > at) words.push(text.slice(at, end))
    at = Math.max(end, at + 1)
  }
  return words
}

/** Where the word that begins at `from` ends: at the first blank outside quotes. */
function wordEnd(text: string, from: number, escapeChar: Escape): number {
  let quote = ''
  let at = from
  for (; at < text.length; at++) {
    const char = text.charAt(at)
    if (quote === '' && /\s/.test(char)) return at
    if (char === escapeChar && quote !== "'") at++
    else if (quote === '' && (char === '"' || char === "'")) quote = char
    else if (char === quote) quote = ''
  }
  return text.length
}

/** The leading `--name=value` words of an instruction, quotes removed, and the rest. `--` alone ends them. */
export function splitFlags(
  text: string,
  escapeChar: Escape,
): { readonly flags: readonly string[]; readonly rest: string } {
  const flags: string[] = []
  let at = 0
  while (true) {
    while (at < text.length && /\s/.test(text.charAt(at))) at++
    if (!text.startsWith('--', at)) return { flags, rest: text.slice(at).trimEnd() }
    const { word, next } = readFlag(text, at, escapeChar)
    at = next
    if (word === '--') return { flags, rest: text.slice(at).trim() }
    flags.push(word)
  }
}

function readFlag(text: string, from: number, escapeChar: Escape): { word: string; next: number } {
  let word = ''
  let quote = ''
  let at = from
  for (; at < text.length; at++) {
    const char = text.charAt(at)
    if (quote === '' && /\s/.test(char)) break
    if (char === escapeChar && quote !== "'") word += text.charAt(++at)
    else if (quote === '' && (char === '"' || char === "'")) quote = char
    else if (quote !== '' && char === quote) quote = ''
    else word += char
  }
  return { word, next: at }
}
