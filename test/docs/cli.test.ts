import type { Command } from 'commander'
import { expect, it } from 'vitest'
import { COMMANDS } from '../../src/cli/command-table.ts'
import { buildProgram, fillIn } from '../../src/cli/program.ts'

/** A command's help as documentation shows it: the same on every machine. */
function helpOf(command: Command): string {
  command.configureHelp({ ...command.configureHelp(), helpWidth: 100 })
  let text = ''
  command.configureOutput({
    writeOut: (part) => {
      text += part
    },
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  })
  command.outputHelp()
  return text.trimEnd()
}

const withInner = (command: Command): Command[] => [command, ...command.commands.flatMap(withInner)]

/** docs/cli.md is what the commands say of themselves. Write it anew with: npx vitest run test/docs/cli.test.ts -u */
it('docs/cli.md is the help of every command', async () => {
  const program = buildProgram(async () => {})
  const parts = [
    '# Command line',
    '',
    'What `naru COMMAND --help` says, for every command. A test keeps this page so.',
    '',
  ]
  parts.push('```text', helpOf(program), '```')
  for (const { name } of COMMANDS) {
    const command = program.commands.find((each) => each.name() === name)
    if (command === undefined) throw new Error(`${name} is in the table and not in the program`)
    await fillIn(command, async () => {})
    parts.push('', `## naru ${name}`)
    for (const each of withInner(command)) parts.push('', '```text', helpOf(each), '```')
  }
  await expect(`${parts.join('\n')}\n`).toMatchFileSnapshot('../../docs/cli.md')
})
