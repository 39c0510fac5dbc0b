import type { Command } from 'commander'
import { DeployError } from '../model/failure.ts'
import { isNear } from '../lib/nearest.ts'

/** The command that arguments mean, as deep as it is named; the program itself when they name none. */
function commandOf(program: Command, args: readonly string[]): Command {
  let command = program
  for (const arg of args) command = command.commands.find((inner) => inner.name() === arg) ?? command
  return command
}

/** Commander's words ("error: unknown option '--foo'\n(Did you mean --file?)") in our form, with what to do as the hint. */
export function usageError(words: string, program: Command, args: readonly string[]): DeployError {
  const command = commandOf(program, args)
  const [first = '', ...more] = words.split('\n')
  const told = first.replace(/^error: /, '')
  const suggestion = likely(told, /\(Did you mean (?:one of )?(.*)\?\)/.exec(more.join(' '))?.[1] ?? '')
  const [, message = told, advice] = /^(.*is invalid(?: for argument '[^']*')?)\. (.+)$/.exec(told) ?? []
  return new DeployError('USAGE_INVALID', message.replace(/^command-argument value/, 'argument'), {
    hint: suggestion ?? advice ?? asRole(told, command, args) ?? `See how it is used with: ${pathOf(command)} --help`,
  })
}

/** Commander also suggests what only has some letters in common. */
function likely(told: string, suggested: string): string | undefined {
  const wrong = /'([^']*)'/.exec(told)?.[1] ?? ''
  const bare = (name: string) => name.replace(/^--?/, '')
  const near = suggested.split(', ').filter((name) => name !== '' && isNear(bare(wrong), bare(name)))
  return near.length === 0 ? undefined : `Did you mean ${near.join(' or ')}?`
}

/** `naru logs web`: what other tools take as an argument is an option here. */
function asRole(told: string, command: Command, args: readonly string[]): string | undefined {
  const takesRole = command.options.some(({ long }) => long === '--role')
  const last = args.at(-1) ?? ''
  if (!takesRole || !told.startsWith('too many arguments') || last.startsWith('-')) return undefined
  return `A role is chosen with: ${pathOf(command)} --role ${last}`
}

const pathOf = (command: Command): string =>
  command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
