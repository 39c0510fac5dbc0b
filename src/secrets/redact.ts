/** What stands where a secret stood. */
export const REDACTED = '[redacted]'

/** Shorter values are not looked for: they would blot out ordinary text, and tell by it what they are. */
const SHORTEST = 4
/** A run of base64 in the middle of a longer one, and a line of a longer value, need this much to be no chance hit. */
const SHORTEST_PART = 8

/** Takes the values of secrets out of a text. */
export type Redact = (text: string) => string

/**
 * Makes the redactor that stands before every log and event (A10). It finds each value as it is, as base64 (also inside a
 * longer text, as in `Authorization: Basic`), as hex, URL-encoded, and as written in JSON; of a value with several lines
 * also each line, since logs are lines.
 */
export function redactor(values: Iterable<string>): Redact {
  const forms = new Set([...values].flatMap(formsOf))
  if (forms.size === 0) return (text) => text
  // Longest first: a value that begins with another one goes as a whole.
  const pattern = [...forms].sort((a, b) => b.length - a.length).map((form) => escaped(form))
  const anyForm = new RegExp(pattern.join('|'), 'g')
  return (text) => text.replace(anyForm, REDACTED)
}

function formsOf(value: string): string[] {
  const lines = value.split(/\r?\n/).map((line) => line.trim())
  const parts = lines.length > 1 ? lines.filter((line) => line.length >= SHORTEST_PART) : []
  const texts = [value, value.trim(), ...parts].filter((text) => text.length >= SHORTEST)
  return texts.flatMap((text) => [text, ...jsonForms(text), ...urlForms(text), ...base64Forms(text), ...hexForms(text)])
}

const jsonForms = (text: string): string[] => [JSON.stringify(text).slice(1, -1)]

function urlForms(text: string): string[] {
  // A lone surrogate cannot be encoded; then there is no such form.
  if (!text.isWellFormed()) return []
  const component = encodeURIComponent(text)
  const strict = component.replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  const form = strict.replaceAll('%20', '+')
  const lower = [component, strict, form].map((one) => one.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()))
  return [component, strict, form, encodeURI(text), ...lower]
}

function hexForms(text: string): string[] {
  const hex = Buffer.from(text).toString('hex')
  return hex.length >= SHORTEST_PART ? [hex, hex.toUpperCase()] : []
}

/** By how many bytes stand before it, a value has three forms in base64; its first and last digits may mix with its neighbours. */
function base64Forms(text: string): string[] {
  const bytes = Buffer.from(text)
  const whole = bytes.toString('base64')
  const inner = [0, 1, 2].map((before) => {
    const digits = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    const mixedAtStart = Math.ceil((before * 8) / 6)
    const mixedAtEnd = ((before + bytes.length) * 8) % 6 === 0 ? 0 : 1
    return digits.slice(mixedAtStart, digits.length - mixedAtEnd)
  })
  const forms = [whole, whole.replace(/=+$/, ''), ...inner.filter((digits) => digits.length >= SHORTEST_PART)]
  return forms.flatMap((digits) => [digits, digits.replaceAll('+', '-').replaceAll('/', '_')])
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
