import { type Platform, platformText } from '../model/descriptor.ts'
import { DeployError } from '../model/failure.ts'
import type { Escape } from './dockerfile/directives.ts'
import { ExpansionFailed, expandText, expandWord, expandWords, type Scope } from './dockerfile/expand-word.ts'
import type { Instruction } from './dockerfile/instruction.ts'
import { type Place, syntaxError } from './dockerfile/place.ts'
import type { Dockerfile } from './dockerfile/stages.ts'
import { hostPlatform } from './platform.ts'

/** Replaces variables in the words of an instruction. Throws DOCKERFILE_SYNTAX at its place. */
export interface Expand {
  one(word: string, place: Place): string
  /** Blanks outside quotes make several words. */
  many(word: string, place: Place): readonly string[]
  /** The text of a here-document: quotes stay, only `$NAME` and `\\$` are special. */
  text(text: string, place: Place): string
}

export function expander(escapeChar: Escape, lookup: (name: string) => string | undefined): Expand {
  const scope: Scope = { escapeChar, lookup }
  return {
    one: (word, place) => located(place, () => expandWord(word, scope)),
    many: (word, place) => located(place, () => expandWords(word, scope)),
    text: (text, place) => located(place, () => expandText(text, lookup)),
  }
}

function located<Value>(place: Place, expand: () => Value): Value {
  try {
    return expand()
  } catch (failed) {
    if (!(failed instanceof ExpansionFailed)) throw failed
    throw syntaxError(place, failed.message, 'Write $NAME, or the forms with braces, :-default, :+other and :?message.')
  }
}

/** The arguments that a build is given, and which of them an ARG took. */
export class BuildArgs {
  readonly #given: Readonly<Record<string, string>>
  readonly #taken = new Set<string>()

  constructor(given: Readonly<Record<string, string>>) {
    this.#given = given
  }

  take(name: string): string | undefined {
    this.#taken.add(name)
    return Object.hasOwn(this.#given, name) ? this.#given[name] : undefined
  }

  /** SOURCE_DATE_EPOCH as it was given, else the one of the source. Throws USAGE_INVALID when it is no number of seconds. */
  epochSeconds(fallback: number): number {
    const given = this.take(EPOCH)
    if (given === undefined || given === '') return fallback
    if (/^\d{1,11}$/.test(given)) return Number(given)
    throw new DeployError('USAGE_INVALID', `--build-arg ${EPOCH}=${given.slice(0, 40)} is no number of seconds`, {
      hint: 'Write seconds since 1970, or leave it out: then it is the time of the commit.',
    })
  }

  /** Proxies that were given, as RUN sees them. */
  get proxies(): Readonly<Record<string, string>> {
    const given = Object.entries(this.#given).filter(([name]) => PROXIES.has(name.toUpperCase()))
    // Programs look for the one or the other; what was given itself goes before.
    const both = given.flatMap(([name, value]) => [name.toUpperCase(), name.toLowerCase()].map((each) => [each, value]))
    return Object.fromEntries([...both, ...given])
  }

  /** Names that were given and that nothing asked for. */
  get unused(): readonly string[] {
    const isOwn = (name: string) => PROXIES.has(name.toUpperCase()) || name.startsWith('BUILDKIT_')
    return Object.keys(this.#given).filter((name) => !this.#taken.has(name) && !isOwn(name))
  }
}

/** The time of the result (reproducible-builds.org): the commit's, or as it is given; an ARG of this name takes it. */
const EPOCH = 'SOURCE_DATE_EPOCH'

/** Taken without an ARG; only RUN sees them. */
const PROXIES = new Set(['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'])

/** The ARGs before the first FROM, and those that BuildKit sets: platforms and the target's name. */
export function globalVariables(
  dockerfile: Dockerfile,
  args: BuildArgs,
  platform: Platform,
  { target, epochSeconds }: { readonly target: string | null; readonly epochSeconds: number },
): ReadonlyMap<string, string> {
  const found = new Map<string, string>([
    ...platformVariables(platform),
    ['TARGETSTAGE', target ?? 'default'],
    [EPOCH, String(epochSeconds)],
  ])
  const declare = (name: string, value: string) => found.set(name, value)
  const expand = expander(dockerfile.directives.escapeChar, (name) => found.get(name))
  for (const instruction of dockerfile.globals) declareArgs(instruction, declare, { args, expand, inherited: found })
  return found
}

function platformVariables(target: Platform): [string, string][] {
  const sides = [['TARGET', target] as const, ['BUILD', hostPlatform()] as const]
  return sides.flatMap(([side, platform]): [string, string][] => [
    [`${side}PLATFORM`, platformText(platform)],
    [`${side}OS`, platform.os],
    [`${side}ARCH`, platform.architecture],
    [`${side}VARIANT`, platform.variant ?? ''],
  ])
}

/** Carries out an ARG: the given value, else its default, else the global one of that name; without any of them all stays as it was. */
export function declareArgs(
  instruction: Instruction,
  declare: (name: string, value: string) => void,
  from: { readonly args: BuildArgs; readonly expand: Expand; readonly inherited: ReadonlyMap<string, string> },
): void {
  if (instruction.kind !== 'arg') return
  for (const { name, value } of instruction.args) {
    const fallback = value === null ? from.inherited.get(name) : from.expand.one(value, instruction.place)
    const settled = from.args.take(name) ?? fallback
    if (settled !== undefined) declare(name, settled)
  }
}
