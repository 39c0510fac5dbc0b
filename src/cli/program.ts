import { Command, CommanderError, Help } from 'commander'
import { FAILURES, failureReport } from '../model/failure.ts'
import { systemClock } from '../os/system-clock.ts'
import { COMMANDS } from './command-table.ts'
import type { Start, Work } from './describe.ts'
import { rootHelp } from './help.ts'
import type { CliHost } from './host.ts'
import type { Interrupts } from './interrupts.ts'
import { openOutput, type Output, type OutputOptions } from './output.ts'
import type { Session } from './session.ts'
import { EVERYWHERE, globalOptions, share } from './shared-options.ts'
import { failureBody, failureLines } from './show/failure.ts'
import { usageError } from './usage-error.ts'

/** Runs one command and answers its exit code. Nothing that a user can cause is thrown. */
export async function runProgram(args: readonly string[], host: CliHost, interrupts: Interrupts): Promise<number> {
  let output = openOutput(beforeParsing(args), process.stdout, process.stderr, process.env)
  let exit = 0
  const start: Start = async (command, work) => {
    const options = globalOptions(command)
    output = openOutput(options, process.stdout, process.stderr, process.env)
    exit = await withSession({ host, output, options, interrupts, unread: unread.signal }, work)
  }
  const unread = new AbortController()
  outliveReader(unread)
  const program = buildProgram(start)
  try {
    await program.parseAsync(asCommands(args), { from: 'user' })
    return exit
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) return tellFailure(thrown, output)
    // Help was shown: asked for, or because a command was missing.
    if (thrown.code === 'commander.helpDisplayed') return 0
    return thrown.code === 'commander.help'
      ? FAILURES.USAGE_INVALID.exit
      : tellFailure(usageError(thrown.message, program, args), output)
  }
}

/** What an error in the arguments themselves is told with. */
function beforeParsing(args: readonly string[]): OutputOptions {
  const json = args.some((arg, at) => {
    const isOption = /^(-o|--output)$/.test(args[at - 1] ?? '')
    return arg === '--output=json' || arg === '-ojson' || (arg === 'json' && isOption)
  })
  return { json, quiet: false, verbose: false }
}

/** What other tools have taught people to type. */
function asCommands(args: readonly string[]): readonly string[] {
  const [first, ...rest] = args
  if (first === '--version' || first === '-V') return ['version', ...rest]
  if (first === 'help') return [...rest, '--help']
  return args
}

/** The whole command line; each command is filled in when it is meant. */
export function buildProgram(start: Start): Command {
  const program = new Command('naru')
    .description('from a commit to a measured rolling update')
    .enablePositionalOptions()
    .helpCommand(false)
    .helpOption('-h, --help', 'how to use it')
    .configureHelp({ formatHelp: (command, help) => rootHelp(command, help) })
  share(program, EVERYWHERE)
  for (const { name, summary, group } of COMMANDS) {
    const command = program.command(name).summary(summary).helpGroup(group)
    command.description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`).configureHelp(LEAF_HELP)
  }
  program.hook('preSubcommand', async (_program, command) => {
    await fillIn(command, start)
  })
  quiet(program)
  return program
}

const LEAF_HELP = { formatHelp: Help.prototype.formatHelp }

/** Adds what only a command's own file knows: arguments, options, examples, action. */
export async function fillIn(command: Command, start: Start): Promise<void> {
  const entry = COMMANDS.find(({ name }) => name === command.name())
  if (entry === undefined) return
  const describe = await entry.load()
  describe(command, start)
  helped(command)
  quiet(command)
}

function helped(command: Command): void {
  command.helpOption('-h, --help', 'how to use it').helpCommand(false).configureHelp(LEAF_HELP)
  for (const inner of command.commands) helped(inner)
}

/** Errors are thrown, and told once, in our form. */
function quiet(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => {} })
  for (const inner of command.commands) quiet(inner)
}

type Given = Pick<Session, 'host' | 'output' | 'options' | 'interrupts' | 'unread'>

async function withSession(given: Given, work: Work): Promise<number> {
  const { interrupts, options, output } = given
  if (options.timeoutSeconds !== null) interrupts.limit(options.timeoutSeconds)
  const session: Session = {
    ...given,
    clock: systemClock,
    env: process.env,
    stdin: process.stdin,
    folder: process.cwd(),
    signal: interrupts.signal,
  }
  try {
    return (await work(session)) ?? 0
  } catch (thrown) {
    return tellFailure(thrown, output)
  } finally {
    interrupts.close()
  }
}

/** Tells a failure in the one form, and answers its exit code. */
function tellFailure(thrown: unknown, output: Output): number {
  const report = failureReport(thrown)
  if (output.json) output.object(failureBody(report))
  else for (const line of failureLines(report, output.paintTold)) output.insist(line)
  if (output.verbose && thrown instanceof Error) output.insist(thrown.stack ?? '')
  return FAILURES[report.code].exit
}

/** `naru rollback | head`: that nobody reads any more is no reason to leave undone what was asked for; who only shows, ends. */
function outliveReader(unread: AbortController): void {
  process.stdout.on('error', (failed: NodeJS.ErrnoException) => {
    if (failed.code !== 'EPIPE' && failed.code !== 'ERR_STREAM_DESTROYED') throw failed
    unread.abort()
  })
}
