import { nearest } from '../../lib/nearest.ts'
import { jsonList, readCommand } from './command-form.ts'
import type { Escape } from './directives.ts'
import type { Instruction, Meaning } from './instruction.ts'
import type { RawInstruction } from './parse-dockerfile.ts'
import { syntaxError } from './place.ts'
import { readCopy } from './read-copy.ts'
import { readFlags } from './read-flags.ts'
import { readHealthcheck } from './read-healthcheck.ts'
import { splitWords } from './split-words.ts'

type Read = (raw: RawInstruction, escapeChar: Escape) => Meaning

const READERS: Readonly<Record<string, Read>> = {
  FROM: readFrom,
  ARG: readArg,
  ENV: (raw, escapeChar) => ({ kind: 'env', pairs: readPairs(raw, escapeChar) }),
  LABEL: (raw, escapeChar) => ({ kind: 'label', pairs: readPairs(raw, escapeChar) }),
  COPY: (raw) => readCopy(raw, 'copy'),
  ADD: (raw) => readCopy(raw, 'add'),
  WORKDIR: (raw) => ({ kind: 'workdir', value: one(raw) }),
  USER: (raw) => ({ kind: 'user', value: one(raw) }),
  STOPSIGNAL: (raw) => ({ kind: 'stopsignal', value: one(raw) }),
  MAINTAINER: (raw) => ({ kind: 'maintainer', value: one(raw) }),
  EXPOSE: (raw) => ({ kind: 'expose', values: plainWords(raw) }),
  VOLUME: readVolume,
  CMD: (raw) => ({ kind: 'cmd', command: readCommand(unflagged(raw), raw.place) }),
  ENTRYPOINT: (raw) => ({ kind: 'entrypoint', command: readCommand(unflagged(raw), raw.place) }),
  SHELL: readShell,
  HEALTHCHECK: readHealthcheck,
  ONBUILD: readOnbuild,
  RUN: (raw) => ({
    kind: 'run',
    command: readCommand(raw.rest, raw.place),
    flags: raw.flags,
    heredocs: raw.heredocs,
  }),
}

/** What an instruction means. Throws DOCKERFILE_SYNTAX: unknown keyword (with the nearest one), wrong flags or words. */
export function readInstruction(raw: RawInstruction, escapeChar: Escape): Instruction {
  const read = READERS[raw.keyword]
  if (read === undefined) throw unknownKeyword(raw)
  return { ...read(raw, escapeChar), place: raw.place, text: raw.text }
}

function unknownKeyword(raw: RawInstruction) {
  const guess = nearest(raw.keyword, Object.keys(READERS))
  const hint =
    guess === undefined ? `The instructions are ${Object.keys(READERS).join(', ')}.` : `Did you mean ${guess}?`
  return syntaxError(raw.place, `unknown instruction ${raw.keyword.slice(0, 80)}`, hint)
}

function unflagged(raw: RawInstruction): string {
  readFlags(raw, {})
  return raw.rest
}

function one(raw: RawInstruction): string {
  const rest = unflagged(raw)
  if (rest !== '') return rest
  throw syntaxError(raw.place, `${raw.keyword} needs a value`, `Write ${raw.keyword} VALUE.`)
}

const plainWords = (raw: RawInstruction): readonly string[] => one(raw).split(/\s+/)

const STAGE_NAME = /^[a-z][a-z0-9_.-]*$/

function readFrom(raw: RawInstruction): Meaning {
  const platform = readFlags(raw, { platform: 'text' }).get('platform') ?? null
  const [image, as, name, ...more] = raw.rest.split(/\s+/)
  const good = as === undefined ? true : as.toLowerCase() === 'as' && name !== undefined && more.length === 0
  if (image === undefined || image === '' || !good) {
    throw syntaxError(raw.place, 'FROM needs one image', 'Write FROM IMAGE or FROM IMAGE AS NAME.')
  }
  const lower = name?.toLowerCase() ?? null
  if (lower !== null && (!STAGE_NAME.test(lower) || lower === 'scratch' || lower === 'context')) {
    throw syntaxError(
      raw.place,
      `"${name}" cannot name a stage`,
      'Use letters, digits, "-", "_" and ".", a letter first.',
    )
  }
  return { kind: 'from', image, platform, name: lower }
}

function readArg(raw: RawInstruction, escapeChar: Escape): Meaning {
  const args = splitWords(one(raw), escapeChar).map((word) => {
    const equals = word.indexOf('=')
    return equals < 0 ? { name: word, value: null } : { name: word.slice(0, equals), value: word.slice(equals + 1) }
  })
  if (args.every(({ name }) => name !== '')) return { kind: 'arg', args }
  throw syntaxError(raw.place, 'an ARG has no name', 'Write ARG NAME or ARG NAME=DEFAULT.')
}

/** `KEY=value KEY=value …`, or the old form `KEY the rest of the line`. */
function readPairs(raw: RawInstruction, escapeChar: Escape): readonly (readonly [string, string])[] {
  const rest = one(raw)
  const words = splitWords(rest, escapeChar)
  if (!words[0]?.includes('=')) {
    const [, key = '', value] = /^(\S+)\s+([\s\S]+)$/.exec(rest) ?? []
    if (value !== undefined) return [[key, value]]
    throw syntaxError(raw.place, `${raw.keyword} needs a name and a value`, `Write ${raw.keyword} NAME=VALUE.`)
  }
  return words.map((word) => {
    const equals = word.indexOf('=')
    if (equals > 0) return [word.slice(0, equals), word.slice(equals + 1)]
    const problem = equals < 0 ? `there is no "=" in "${word}"` : `"${word}" has no name`
    throw syntaxError(raw.place, problem, `Write ${raw.keyword} NAME=VALUE, with quotes around blanks.`)
  })
}

function readVolume(raw: RawInstruction): Meaning {
  const values = jsonList(one(raw), raw.place) ?? plainWords(raw)
  if (values.length > 0) return { kind: 'volume', values }
  throw syntaxError(raw.place, 'VOLUME needs a path', 'Write VOLUME /path.')
}

function readShell(raw: RawInstruction): Meaning {
  const args = jsonList(unflagged(raw), raw.place)
  if (args !== null && args.length > 0) return { kind: 'shell', args }
  throw syntaxError(raw.place, 'SHELL needs a JSON list', 'Write SHELL ["/bin/sh", "-c"].')
}

function readOnbuild(raw: RawInstruction): Meaning {
  const trigger = one(raw)
  const triggerKeyword = (/^\S+/.exec(trigger)?.[0] ?? '').toUpperCase()
  if (['ONBUILD', 'FROM', 'MAINTAINER'].includes(triggerKeyword)) {
    throw syntaxError(
      raw.place,
      `ONBUILD ${triggerKeyword} is not allowed`,
      'Write the instruction in the Dockerfile that uses this image.',
    )
  }
  if (READERS[triggerKeyword] === undefined) throw unknownKeyword({ ...raw, keyword: triggerKeyword })
  // Its here-documents go with it into the image (BuildKit's rule).
  const texts = raw.heredocs.map(({ content, name }) => `${content}${name}`)
  return { kind: 'onbuild', trigger: [trigger, ...texts].join('\n'), triggerKeyword }
}
