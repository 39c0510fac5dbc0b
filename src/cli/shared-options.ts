import { type Command, InvalidArgumentError, Option } from 'commander'
import type { GlobalOptions } from './session.ts'

/** An option that many commands share. It may stand before the command's name or behind it; the one behind it rules. */
class SharedOption extends Option {}

const MAKE = {
  environment: () => new SharedOption('-e, --environment <name>', 'environment of naru.yaml (else NARU_ENVIRONMENT)'),
  app: () => new SharedOption('--app <name>', 'app, where no naru.yaml says it'),
  file: () => new SharedOption('--file <path>', 'naru.yaml to read (default: the one in this folder)'),
  data: () => new SharedOption('--data <folder>', 'data folder of the local server (else NARU_DATA)'),
  server: () =>
    new SharedOption('--server <url>', 'server to talk to (else NARU_SERVER, with NARU_TOKEN; else the local one)'),
  noServer: () => new SharedOption('--no-server', 'run the server inside this command'),
  output: () => new SharedOption('-o, --output <form>', 'text or json').argParser(outputForm),
  quiet: () => new SharedOption('-q, --quiet', 'only the answer and errors'),
  verbose: () => new SharedOption('-v, --verbose', 'tell more'),
  timeout: () => new SharedOption('--timeout <seconds>', 'give up after this time (exit code 124)').argParser(seconds),
} as const

export type SharedName = keyof typeof MAKE

/** In front of a command, all of them may stand. */
export const EVERYWHERE = Object.keys(MAKE) as readonly SharedName[]
/** What every command that talks to a server takes. */
export const TO_SERVER: readonly SharedName[] = ['data', 'server', 'noServer', 'output', 'quiet', 'verbose', 'timeout']
/** What every command about one app takes. */
export const OF_APP: readonly SharedName[] = ['environment', 'app', 'file', ...TO_SERVER]

/** Adds shared options to a command, under a heading of their own in its help. */
export function share(command: Command, names: readonly SharedName[]): void {
  for (const name of names) command.addOption(MAKE[name]().helpGroup('Shared options:'))
}

/** The shared options of a command and of those above it; what stands nearer to the command rules. */
export function globalOptions(command: Command): GlobalOptions {
  const given: Record<string, unknown> = {}
  for (let at: Command | null = command; at !== null; at = at.parent) {
    for (const option of at.options) {
      const name = option.attributeName()
      const isGiven = at.getOptionValueSource(name) === 'cli'
      if (option instanceof SharedOption && isGiven && !Object.hasOwn(given, name))
        given[name] = at.getOptionValue(name)
    }
  }
  const text = (name: string) => (typeof given[name] === 'string' ? given[name] : null)
  return {
    environment: text('environment'),
    app: text('app'),
    file: text('file'),
    data: text('data'),
    server: text('server'),
    noServer: given.server === false,
    json: given.output === 'json' || outputForms(command).includes('json'),
    quiet: given.quiet === true,
    verbose: given.verbose === true,
    timeoutSeconds: typeof given.timeout === 'number' ? given.timeout : null,
  }
}

function outputForm(text: string): string {
  if (text === 'json' || text === 'text') return text
  throw new InvalidArgumentError('Write text or json.')
}

function seconds(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value > 0 && value <= 1e6) return value
  throw new InvalidArgumentError('Write a number of seconds above 0.')
}

/** What a command that takes several outputs was given for --output. */
export function outputForms(command: Command): readonly string[] {
  const given: unknown = command.getOptionValue('output')
  return Array.isArray(given) ? given.map(String) : []
}
