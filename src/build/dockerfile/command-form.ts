import { type Place, syntaxError } from './place.ts'
import type { Command } from './instruction.ts'

/** The texts of a JSON list, or null when the words are no JSON list. A list of other things than texts is DOCKERFILE_SYNTAX. */
export function jsonList(rest: string, place: Place): readonly string[] | null {
  if (!rest.startsWith('[')) return null
  let value: unknown
  try {
    value = JSON.parse(rest)
  } catch {
    return null
  }
  if (!Array.isArray(value)) return null
  const texts = value.filter((item) => typeof item === 'string')
  if (texts.length === value.length) return texts
  throw syntaxError(place, 'a JSON list here holds texts only', 'Put quotes around every word: ["program", "8080"].')
}

/** Exec form when it is a JSON list, else shell form. */
export function readCommand(rest: string, place: Place): Command {
  const args = jsonList(rest, place)
  return args === null ? { form: 'shell', script: rest } : { form: 'exec', args }
}
