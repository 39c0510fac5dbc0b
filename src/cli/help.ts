import type { Command, Help } from 'commander'
import { columns } from './show/columns.ts'

/** Adds examples to the end of a command's help: what to type, and what it does. */
export function examples(command: Command, lines: readonly (readonly [typed: string, what: string])[]): void {
  const [, ...rows] = columns(['', ''], lines)
  command.addHelpText('after', ['', 'Examples:', ...rows.map((row) => `  ${row}`)].join('\n'))
}

/** The root help: commands by what they are for, then the shared options. */
export function rootHelp(program: Command, help: Help): string {
  const groups = Map.groupBy(help.visibleCommands(program), (command) => command.helpGroup())
  const commands = [...groups].flatMap(([group, members]) => [
    '',
    group,
    ...members.map((command) => `  ${command.name().padEnd(9)} ${command.summary()}`),
  ])
  const options = help.visibleOptions(program).map((option) => [option.flags, option.description])
  const [, ...shared] = columns(['', ''], options)
  return [
    `naru: ${program.description()}`,
    '',
    'Usage: naru COMMAND [OPTIONS]',
    ...commands,
    '',
    'Shared options:',
    ...shared.map((line) => `  ${line}`),
    '',
    'First steps: naru doctor, naru init, naru deploy. Of one command: naru COMMAND --help.',
    '',
  ].join('\n')
}
