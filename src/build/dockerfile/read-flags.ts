import { nearest } from '../../lib/nearest.ts'
import type { RawInstruction } from './parse-dockerfile.ts'
import { syntaxError } from './place.ts'

type Flagged = Pick<RawInstruction, 'keyword' | 'flags' | 'place'>

export type FlagKind = 'text' | 'switch'

/** The flags of an instruction by name. Throws DOCKERFILE_SYNTAX for an unknown one, one without its value, or one that stands twice. */
export function readFlags(
  raw: Flagged,
  known: Readonly<Record<string, FlagKind>>,
  repeatable: ReadonlySet<string> = new Set(),
): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const flag of raw.flags) {
    const [name = '', ...after] = flag.slice(2).split('=')
    const kind = known[name]
    if (kind === undefined) throw unknownFlag(raw, name, Object.keys(known))
    if (found.has(name) && !repeatable.has(name)) {
      throw syntaxError(raw.place, `--${name} stands twice`, `Keep one --${name}.`)
    }
    if (kind === 'text' && after.length === 0) {
      throw syntaxError(raw.place, `--${name} has no value`, `Write --${name}=VALUE.`)
    }
    found.set(name, kind === 'switch' ? switchValue(raw, name, after.join('=')) : after.join('='))
  }
  return found
}

/** All values of a flag that may stand several times, in order. */
export const repeatedFlag = ({ flags }: Pick<Flagged, 'flags'>, name: string): readonly string[] =>
  flags.flatMap((flag) => (flag.startsWith(`--${name}=`) ? flag.slice(name.length + 3) : []))

function switchValue(raw: Flagged, name: string, value: string): string {
  if (value === '' || value === 'true') return 'true'
  if (value === 'false') return 'false'
  throw syntaxError(raw.place, `--${name}=${value} is neither true nor false`, `Write --${name} or leave it out.`)
}

function unknownFlag(raw: Flagged, name: string, known: readonly string[]) {
  const guess = nearest(name, known)
  const hint =
    guess === undefined
      ? `${raw.keyword} knows ${known.map((flag) => `--${flag}`).join(', ') || 'no flags'}.`
      : `Did you mean --${guess}?`
  return syntaxError(raw.place, `${raw.keyword} has no flag --${name}`, hint)
}
