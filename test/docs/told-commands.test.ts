import { join } from 'node:path'
import { CommanderError } from 'commander'
import { expect, it } from 'vitest'
import { buildProgram } from '../../src/cli/program.ts'
import { commandsIn, commandsOfPages, commandsOfSource, type ToldCommand } from './told-commands.ts'

const ROOT = join(import.meta.dirname, '..', '..')

/** Where a command is only named, its arguments may be left out. */
const LEFT_OUT = new Set([
  'commander.missingArgument',
  'commander.optionMissingArgument',
  'commander.missingMandatoryOptionValue',
])

/** What the command line says against a command; null: it would be run, or its help shown. */
async function refusal({ args, isWhole }: ToldCommand): Promise<string | null> {
  const program = buildProgram(async () => {})
  program.configureOutput({ writeOut: () => {} })
  program.hook('preSubcommand', (_program, command) => {
    for (const each of [command, ...command.commands]) each.configureOutput({ writeOut: () => {}, writeErr: () => {} })
  })
  try {
    await program.parseAsync(args, { from: 'user' })
    return null
  } catch (failed) {
    if (!(failed instanceof CommanderError)) throw failed
    if (failed.code === 'commander.helpDisplayed') return null
    return !isWhole && LEFT_OUT.has(failed.code) ? null : failed.message
  }
}

async function refused(commands: readonly ToldCommand[]): Promise<string[]> {
  const told: string[] = []
  for (const command of commands) {
    const why = await refusal(command)
    if (why !== null) told.push(`${command.place}: naru ${command.args.join(' ')}: ${why}`)
  }
  return told
}

it.each([
  ['See why with: naru logs --role web --revision 4. Or not.', [['logs', '--role', 'web', '--revision', '4']]],
  ['First steps: naru doctor, naru init.', [['doctor'], ['init']]],
  ['a file (naru init writes one)', [['init']]],
  ['go on with naru resume, go back with naru abort', [['resume'], ['abort']]],
  ['  naru rollback [N]   goes back', [['rollback', '1']]],
  [
    'printf %s "$X" | naru login REGISTRY -u NAME --password-stdin < f',
    [['login', 'REGISTRY', '-u', 'NAME', '--password-stdin']],
  ],
  [
    'naru plan --save p && naru deploy --plan p',
    [
      ['plan', '--save', 'p'],
      ['deploy', '--plan', 'p'],
    ],
  ],
  ['naru registry robot renew ci > token', [['registry', 'robot', 'renew', 'ci']]],
  ['Use the naru that started it, /usr/bin/naru status, naru.yaml', []],
])('finds the commands of %j', (text, commands) => expect(commandsIn(text).map(({ args }) => args)).toEqual(commands))

it.each([[['nope']], [['logs', 'web']], [['status', '--nope']], [['scale']], [['scale', 'x']], [['image']]])(
  'would find that it does not work: %j',
  async (args) => expect(await refusal({ place: '', args, isWhole: true })).not.toBeNull(),
)

it('tells no command in hints, messages and helps that the command line refuses', async () => {
  const commands = await commandsOfSource(ROOT)
  expect(commands.length).toBeGreaterThan(100)
  expect(await refused(commands)).toEqual([])
})

it('tells no command in README.md and docs that the command line refuses', async () => {
  const commands = await commandsOfPages(ROOT)
  expect(commands.length).toBeGreaterThan(50)
  expect(await refused(commands)).toEqual([])
})
