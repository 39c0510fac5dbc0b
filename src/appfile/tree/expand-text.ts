import { isVariableName } from '../../model/names.ts'

export type Variables = Readonly<Record<string, string | undefined>>

interface Wrong {
  readonly kind: 'missing' | 'syntax'
  readonly message: string
  readonly hint: string
}

export interface Expanded {
  readonly text: string
  /** Every variable that is mentioned, also in defaults that were not needed. */
  readonly names: readonly string[]
  readonly wrong: readonly Wrong[]
}

interface Reading {
  readonly text: string
  readonly variables: Variables
  readonly names: string[]
  readonly wrong: Wrong[]
  at: number
}

const MAX_NESTED = 8
const DOLLAR = `a $ that begins no \${NAME}`

/**
 * Replaces `${NAME}`, `${NAME:-default}` (unset or empty), `${NAME:?message}` (refused when unset or empty) and `$$`.
 * A default may hold further variables. Never throws; messages hold names, never values.
 */
export function expandText(text: string, variables: Variables): Expanded {
  const reading: Reading = { text, variables, names: [], wrong: [], at: 0 }
  const expanded = readUntilEnd(reading, 0)
  return { text: expanded, names: [...new Set(reading.names)], wrong: reading.wrong }
}

/** Up to the end of the text, or in a default (`nested` > 0) up to its closing brace, which is left. */
function readUntilEnd(reading: Reading, nested: number): string {
  const parts: string[] = []
  while (reading.at < reading.text.length) {
    const stop = nextOf(reading, nested > 0 ? /[$}]/g : /\$/g)
    parts.push(reading.text.slice(reading.at, stop))
    reading.at = stop
    if (reading.text[stop] !== '$') break
    parts.push(readDollar(reading, nested))
  }
  return parts.join('')
}

function nextOf({ text, at }: Reading, mark: RegExp): number {
  mark.lastIndex = at
  return mark.exec(text)?.index ?? text.length
}

function readDollar(reading: Reading, nested: number): string {
  const next = reading.text[reading.at + 1]
  if (next === '$') {
    reading.at += 2
    return '$'
  }
  if (next === '{' && nested < MAX_NESTED) return readVariable(reading, nested)
  return refuseSyntax(reading, DOLLAR)
}

function readVariable(reading: Reading, nested: number): string {
  const from = reading.at
  const end = nextOf(reading, /[}:]/g)
  const name = reading.text.slice(from + 2, end)
  if (!isVariableName(name)) return refuseSyntax(reading, 'a variable whose name is none')
  reading.names.push(name)
  const value = Object.hasOwn(reading.variables, name) ? reading.variables[name] : undefined
  if (reading.text[end] === '}') {
    reading.at = end + 1
    return value ?? refuseMissing(reading, name, 'is not set')
  }
  return readOperator(reading, { name, value, end, nested })
}

interface Use {
  readonly name: string
  readonly value: string | undefined
  /** Offset of the colon. */
  readonly end: number
  readonly nested: number
}

function readOperator(reading: Reading, { name, value, end, nested }: Use): string {
  const operator = reading.text.slice(end, end + 2)
  if (operator !== ':-' && operator !== ':?') return refuseSyntax(reading, `\${${name} is not closed by a brace`)
  // The rest is read in any case, to find its end; what it lacks counts only where it is needed.
  const inner: Reading = { ...reading, wrong: [], at: end + 2 }
  const rest = readUntilEnd(inner, nested + 1)
  const wrong = inner.wrong.find(({ kind }) => kind === 'syntax')
  if (wrong !== undefined) return refuseSyntax(reading, wrong.message)
  if (reading.text[inner.at] !== '}') return refuseSyntax(reading, `\${${name} is not closed by a brace`)
  reading.at = inner.at + 1
  if (value !== undefined && value !== '') return value
  // As written, not `rest`: the values of variables never enter a message.
  if (operator === ':?') return refuseMissing(reading, name, `is not set: ${reading.text.slice(end + 2, inner.at)}`)
  reading.wrong.push(...inner.wrong)
  return rest
}

function refuseMissing(reading: Reading, name: string, what: string): string {
  const message = `the variable ${name} ${what.slice(0, 200)}`
  const hint = `Set ${name} in the environment of the command, or write \${${name}:-default}.`
  if (!reading.wrong.some((wrong) => wrong.message === message)) reading.wrong.push({ kind: 'missing', message, hint })
  return ''
}

/** Ends the reading: what follows a wrong `$` cannot be told apart, and a text of many would take a time that grows with its square. */
function refuseSyntax(reading: Reading, message: string): string {
  const hint = `Write \${NAME}, \${NAME:-default} or \${NAME:?message}; $$ is a dollar.`
  reading.wrong.push({ kind: 'syntax', message, hint })
  reading.at = reading.text.length
  return ''
}
