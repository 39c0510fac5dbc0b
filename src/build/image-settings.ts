import { constants } from 'node:os'
import { posix } from 'node:path'
import type { ImageConfig } from '../model/descriptor.ts'
import type { Command, HealthcheckInstruction, Instruction } from './dockerfile/instruction.ts'
import { type Place, syntaxError } from './dockerfile/place.ts'
import type { Expand } from './variables.ts'

/** The settings that an image gives to its containers. */
export type Settings = NonNullable<ImageConfig['config']>

/** Of an image from scratch, as BuildKit has it. */
export const SCRATCH_SETTINGS: Settings = {
  Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  WorkingDir: '/',
}

const SHELL = ['/bin/sh', '-c']

export interface Setting {
  readonly settings: Settings
  readonly expand: Expand
  /** Whether this stage has had a CMD: only then ENTRYPOINT leaves the command alone. */
  readonly ownCommand: boolean
}

/** The settings after an instruction; those that set nothing leave them as they are. Throws DOCKERFILE_SYNTAX. */
export function applySetting(instruction: Instruction, { settings, expand, ownCommand }: Setting): Settings {
  const { place } = instruction
  switch (instruction.kind) {
    case 'env':
      return { ...settings, Env: withVariables(settings.Env ?? [], expandPairs(instruction.pairs, expand, place)) }
    case 'label':
      return {
        ...settings,
        Labels: { ...settings.Labels, ...Object.fromEntries(expandPairs(instruction.pairs, expand, place)) },
      }
    case 'workdir':
      return { ...settings, WorkingDir: workingDir(settings, expand.one(instruction.value, place)) }
    case 'user':
      return { ...settings, User: expand.one(instruction.value, place) }
    case 'stopsignal':
      return { ...settings, StopSignal: checkSignal(expand.one(instruction.value, place), place) }
    case 'expose':
      return { ...settings, ExposedPorts: { ...settings.ExposedPorts, ...exposed(instruction.values, expand, place) } }
    case 'volume':
      return { ...settings, Volumes: { ...settings.Volumes, ...volumes(instruction.values, expand, place) } }
    case 'cmd':
      return { ...settings, Cmd: commandLine(instruction.command, settings) }
    case 'entrypoint':
      return withEntrypoint(settings, commandLine(instruction.command, settings), ownCommand)
    case 'shell':
      return { ...settings, Shell: instruction.args }
    case 'healthcheck':
      return { ...settings, Healthcheck: healthcheck(instruction) }
    case 'onbuild':
      return { ...settings, OnBuild: [...(settings.OnBuild ?? []), instruction.trigger] }
    default:
      return settings
  }
}

function withEntrypoint(settings: Settings, entrypoint: readonly string[], ownCommand: boolean): Settings {
  const { Cmd, ...others } = settings
  return { ...others, Entrypoint: entrypoint, ...(ownCommand && Cmd !== undefined ? { Cmd } : {}) }
}

function expandPairs(pairs: readonly (readonly [string, string])[], expand: Expand, place: Place): [string, string][] {
  return pairs.map(([name, value]) => {
    const key = expand.one(name, place)
    if (key !== '') return [key, expand.one(value, place)]
    throw syntaxError(place, `${name} gives an empty name`, 'Write NAME=VALUE.')
  })
}

/** Sets variables in a list of `NAME=value`; one that is there keeps its place. */
function withVariables(env: readonly string[], pairs: readonly (readonly [string, string])[]): readonly string[] {
  const variables = new Map(env.map((line) => [line.slice(0, line.indexOf('=')), line] as const))
  for (const [name, value] of pairs) variables.set(name, `${name}=${value}`)
  return [...variables.values()]
}

/** The folder that a path means, from the current one on; absolute. */
export const workingDir = (settings: Settings, path: string): string =>
  posix.resolve('/', settings.WorkingDir ?? '/', path)

/** A number other than 0, or a name that Linux knows, in any case, with SIG or without. */
function checkSignal(text: string, place: Place): string {
  const name = text.toUpperCase().replace(/^SIG/, '')
  const realTime = /^RTM(?:IN(?:\+(?:[1-9]|1[0-5]))?|AX(?:-(?:[1-9]|1[0-4]))?)$/.test(name)
  if (realTime || `SIG${name}` in constants.signals || name === 'CLD' || /^[1-9][0-9]{0,2}$/.test(text)) return text
  throw syntaxError(place, `${JSON.stringify(text)} is no signal`, 'Write a name such as SIGTERM, or a number.')
}

/** Go's nat.ParsePortSpecs: `80`, `80/udp`, `8000-8005`, and `127.0.0.1:8080:80`, of which an image keeps the last port. */
function exposed(values: readonly string[], expand: Expand, place: Place): Record<string, object> {
  const ports = values.flatMap((value) => expand.many(value, place)).flatMap((text) => portRange(text, place))
  return Object.fromEntries(ports.sort().map((port) => [port, {}]))
}

function portRange(text: string, place: Place): readonly string[] {
  const [, first = '', last = first, protocol = 'tcp'] =
    /^(?:(?:[0-9.]*:|\[[0-9a-f:.]+\]:)?[0-9]{0,5}(?:-[0-9]{1,5})?:)?([0-9]{1,5})(?:-([0-9]{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(
      text,
    ) ?? []
  const [from, to] = [Number(first), Number(last)]
  if (first === '' || to > 65_535 || from > to) {
    throw syntaxError(place, `${JSON.stringify(text)} is no port`, 'Write EXPOSE 8080, 8080/udp or 8000-8005.')
  }
  return Array.from({ length: to - from + 1 }, (_, step) => `${from + step}/${protocol.toLowerCase()}`)
}

function volumes(values: readonly string[], expand: Expand, place: Place): Record<string, object> {
  const paths = values.map((value) => expand.one(value, place))
  if (paths.includes('')) throw syntaxError(place, 'VOLUME has an empty path', 'Write VOLUME /path.')
  return Object.fromEntries(paths.map((path) => [path, {}]))
}

/** The arguments of a command; shell form goes through the image's shell (OCI has no other way). */
function commandLine(command: Command, settings: Settings): readonly string[] {
  return command.form === 'exec' ? command.args : [...(settings.Shell ?? SHELL), command.script]
}

function healthcheck(of: HealthcheckInstruction): NonNullable<Settings['Healthcheck']> {
  if (of.command === null) return { Test: ['NONE'] }
  const { command } = of
  return {
    // The engine finds the shell: it reads SHELL as well.
    Test: command.form === 'exec' ? ['CMD', ...command.args] : ['CMD-SHELL', command.script],
    // 0 and none mean the same: the engine's own value.
    ...(of.intervalNs ? { Interval: of.intervalNs } : {}),
    ...(of.timeoutNs ? { Timeout: of.timeoutNs } : {}),
    ...(of.startPeriodNs ? { StartPeriod: of.startPeriodNs } : {}),
    ...(of.startIntervalNs ? { StartInterval: of.startIntervalNs } : {}),
    ...(of.retries ? { Retries: of.retries } : {}),
  }
}
