import { readCommand } from './command-form.ts'
import { parseDuration } from './duration.ts'
import type { HealthcheckInstruction } from './instruction.ts'
import type { RawInstruction } from './parse-dockerfile.ts'
import { syntaxError } from './place.ts'
import { readFlags } from './read-flags.ts'

const FLAGS = {
  interval: 'text',
  timeout: 'text',
  'start-period': 'text',
  'start-interval': 'text',
  retries: 'text',
} as const

/** `HEALTHCHECK NONE`, or `HEALTHCHECK [flags] CMD command`. */
export function readHealthcheck(raw: RawInstruction): HealthcheckInstruction {
  const flags = readFlags(raw, FLAGS)
  const [, type = '', rest = ''] = /^(\S+)\s*([\s\S]*)$/.exec(raw.rest) ?? []
  const bad = (message: string) =>
    syntaxError(raw.place, message, 'Write HEALTHCHECK [--interval=30s …] CMD command, or HEALTHCHECK NONE.')
  const none = type.toUpperCase() === 'NONE'
  if (!none && type.toUpperCase() !== 'CMD') throw bad(`HEALTHCHECK knows CMD and NONE, not "${type}"`)
  if (none && rest !== '') throw bad('HEALTHCHECK NONE takes nothing else')
  const command = none ? null : readCommand(rest, raw.place)
  const isEmpty = command?.form === 'exec' ? command.args.length === 0 : rest === ''
  if (!none && isEmpty) throw bad('HEALTHCHECK CMD has no command')
  const duration = (name: keyof typeof FLAGS) => {
    const text = flags.get(name) || '0'
    const value = parseDuration(text)
    if (value === null || (value !== 0 && value < 1e6)) {
      throw bad(`--${name}=${text} is no duration of at least 1ms`)
    }
    return value
  }
  const retries = flags.get('retries') || undefined
  if (retries !== undefined && !/^[0-9]{1,9}$/.test(retries)) throw bad(`--retries=${retries} is no count`)
  return {
    kind: 'healthcheck',
    command,
    intervalNs: duration('interval'),
    timeoutNs: duration('timeout'),
    startPeriodNs: duration('start-period'),
    startIntervalNs: duration('start-interval'),
    retries: retries === undefined ? null : Number(retries),
  }
}
