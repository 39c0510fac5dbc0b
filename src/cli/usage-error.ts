import { DeployError } from '../model/failure.ts'
import { isNear } from '../lib/nearest.ts'
import { COMMANDS } from './command-table.ts'

/** Commander's words ("error: unknown option '--foo'\n(Did you mean --file?)") in our form, with what to do as the hint. */
export function usageError(words: string, args: readonly string[]): DeployError {
  const [first = '', ...more] = words.split('\n')
  const told = first.replace(/^error: /, '')
  const suggestion = likely(told, /\(Did you mean (?:one of )?(.*)\?\)/.exec(more.join(' '))?.[1] ?? '')
  const [, message = told, advice] = /^(.*is invalid(?: for argument '[^']*')?)\. (.+)$/.exec(told) ?? []
  return new DeployError('USAGE_INVALID', message.replace(/^command-argument value/, 'argument'), {
    hint: suggestion ?? advice ?? `See how it is used with: naru ${commandIn(args)}--help`,
  })
}

/** Commander also suggests what only has some letters in common. */
function likely(told: string, suggested: string): string | undefined {
  const wrong = /'([^']*)'/.exec(told)?.[1] ?? ''
  const bare = (name: string) => name.replace(/^--?/, '')
  const near = suggested.split(', ').filter((name) => name !== '' && isNear(bare(wrong), bare(name)))
  return near.length === 0 ? undefined : `Did you mean ${near.join(' or ')}?`
}

function commandIn(args: readonly string[]): string {
  const name = args.find((arg) => COMMANDS.some((command) => command.name === arg))
  return name === undefined ? '' : `${name} `
}
