import type { Escape } from './directives.ts'
import { replacePattern, trimPattern } from './shell-pattern.ts'

/** Why a word could not be expanded; who knows the place makes it a DOCKERFILE_SYNTAX. */
export class ExpansionFailed extends Error {
  override readonly name = 'ExpansionFailed'
}

/** What `$NAME` stands for. */
export interface Scope {
  readonly escapeChar: Escape
  /** undefined: not set. */
  readonly lookup: (name: string) => string | undefined
}

/** Letters of all scripts, as in BuildKit. */
const NAME = /^(?:[\p{L}_][\p{L}\p{Nd}_]*|\p{Nd}+|[@*#?\-$!])/u

/** Collects the text and, beside it, the words that blanks outside quotes make of it. */
class Words {
  text = ''
  readonly words: string[] = []
  #word = ''
  #started = false

  quoted(part: string): void {
    this.text += part
    this.#word += part
    this.#started = true
  }

  plain(part: string): void {
    this.text += part
    for (const char of part) {
      if (/\s/.test(char)) this.end()
      else {
        this.#word += char
        this.#started = true
      }
    }
  }

  end(): void {
    if (this.#started) this.words.push(this.#word)
    this.#word = ''
    this.#started = false
  }
}

/** Reads a word left to right, as BuildKit's shell lexer does: quotes, escapes, `$X`, `${X}` and its modifiers. */
class Reader {
  #at = 0
  /** In a here-document quotes are text, also inside braces. */
  #quotes = true
  readonly #source: string
  readonly #scope: Scope

  constructor(source: string, scope: Scope) {
    this.#source = source
    this.#scope = scope
  }

  get done(): boolean {
    return this.#at >= this.#source.length
  }

  /** Expands up to the end, or to `stop` outside quotes. `keepEscapes`: patterns read them themselves. */
  read(out: Words, stop = '', keepEscapes = false): void {
    while (!this.done) {
      const char = this.#source.charAt(this.#at)
      if (char === stop) return
      if (this.#quotes && (char === "'" || char === '"')) this.#quoted(char, out)
      else if (char === '$') this.#dollar(out, false)
      else if (char === this.#scope.escapeChar) this.#escaped(out, keepEscapes)
      else {
        out.plain(char)
        this.#at++
      }
    }
    if (stop !== '') throw new ExpansionFailed(`missing ${stop === '}' ? '"}"' : `"${stop}"`} in a substitution`)
  }

  /** Expands a here-document: quotes are text; a backslash goes, whatever follows it (BuildKit's rule). */
  readText(out: Words): void {
    this.#quotes = false
    while (!this.done) {
      const char = this.#source.charAt(this.#at)
      if (char === '$') this.#dollar(out, true)
      else if (char === '\\') this.#escaped(out, false)
      else {
        out.quoted(char)
        this.#at++
      }
    }
  }

  #escaped(out: Words, keep: boolean): void {
    const next = this.#source.charAt(this.#at + 1)
    out.quoted(keep ? this.#scope.escapeChar + next : next)
    this.#at += 2
  }

  #quoted(quote: string, out: Words): void {
    if (quote === "'") this.#single(out)
    else this.#double(out)
  }

  #single(out: Words): void {
    const end = this.#source.indexOf("'", this.#at + 1)
    if (end < 0) throw new ExpansionFailed("a ' has no end")
    out.quoted(this.#source.slice(this.#at + 1, end))
    this.#at = end + 1
  }

  #double(out: Words): void {
    const { escapeChar } = this.#scope
    this.#at++
    out.quoted('')
    while (!this.done) {
      const char = this.#source.charAt(this.#at)
      const next = this.#source.charAt(this.#at + 1)
      if (char === '"') {
        this.#at++
        return
      }
      if (char === '$') this.#dollar(out, true)
      else if (char === escapeChar && (next === '"' || next === '$' || next === escapeChar)) this.#escaped(out, false)
      else {
        out.quoted(char)
        this.#at++
      }
    }
    throw new ExpansionFailed('a " has no end')
  }

  #dollar(out: Words, quoted: boolean): void {
    this.#at++
    const add = (text: string) => (quoted ? out.quoted(text) : out.plain(text))
    if (this.#source.charAt(this.#at) === '{') {
      this.#at++
      add(this.#braced())
      return
    }
    const name = this.#name()
    add(name === '' ? '$' : (this.#scope.lookup(name) ?? ''))
  }

  #name(): string {
    const name = NAME.exec(this.#source.slice(this.#at))?.[0] ?? ''
    this.#at += name.length
    return name
  }

  #braced(): string {
    const name = this.#name()
    if (name === '') throw new ExpansionFailed('bad substitution: a name is missing after "${"')
    const value = this.#scope.lookup(name)
    const modifier = this.#source.charAt(this.#at++)
    if (modifier === '}') return value ?? ''
    if (modifier === ':')
      return this.#conditional(name, value === '' ? undefined : value, this.#source.charAt(this.#at++))
    if (modifier === '#' || modifier === '%') return this.#trimmed(modifier, value ?? '')
    if (modifier === '/') return this.#replaced(value ?? '')
    return this.#conditional(name, value, modifier)
  }

  #conditional(name: string, value: string | undefined, modifier: string): string {
    if (modifier === '') throw new ExpansionFailed('missing "}" in a substitution')
    const word = this.#until('}', false)
    if (modifier === '-') return value ?? word
    if (modifier === '+') return value === undefined ? '' : word
    if (modifier !== '?') throw new ExpansionFailed(`unsupported modifier "${modifier}" in a substitution`)
    if (value !== undefined) return value
    throw new ExpansionFailed(`${name}: ${word === '' ? 'is not allowed to be unset' : word}`)
  }

  #trimmed(modifier: '#' | '%', value: string): string {
    const longest = this.#source.charAt(this.#at) === modifier
    if (longest) this.#at++
    return trimPattern(value, this.#until('}', true), { end: modifier === '%', longest })
  }

  #replaced(value: string): string {
    const all = this.#source.charAt(this.#at) === '/'
    if (all) this.#at++
    const pattern = this.#until('/', true)
    return replacePattern(value, pattern, this.#until('}', false), all)
  }

  #until(stop: string, keepEscapes: boolean): string {
    const out = new Words()
    this.read(out, stop, keepEscapes)
    this.#at++
    return out.text
  }
}

/** One word with variables replaced and quotes removed. Throws ExpansionFailed. */
export function expandWord(word: string, scope: Scope): string {
  const out = new Words()
  new Reader(word, scope).read(out)
  return out.text
}

/** Like expandWord, and split at blanks outside quotes: a variable may hold several words. */
export function expandWords(word: string, scope: Scope): string[] {
  const out = new Words()
  new Reader(word, scope).read(out)
  out.end()
  return out.words
}

/** The text of a here-document with variables replaced, as a shell does it. Throws ExpansionFailed. */
export function expandText(text: string, lookup: Scope['lookup']): string {
  const out = new Words()
  new Reader(text, { escapeChar: '\\', lookup }).readText(out)
  return out.text
}
