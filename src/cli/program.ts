import { Command, CommanderError } from 'commander'
import { DeployError, FAILURES, failureReport } from '../model/failure.ts'
import { systemClock } from '../os/system-clock.ts'
import { COMMANDS } from './command-table.ts'
import type { Start, Work } from './describe.ts'
import type { CliHost } from './host.ts'
import { Interrupts } from './interrupts.ts'
import { openOutput, type Output } from './output.ts'
import type { GlobalOptions, Session } from './session.ts'
import { globalOptions, share } from './shared-options.ts'
import { failureBody, failureLines } from './show/failure.ts'

/** Runs one command and answers its exit code. Nothing that a user can cause is thrown. */
export async function runProgram(args: readonly string[], host: CliHost): Promise<number> {
  const asksJson = args.some(
    (arg, at) =>
      arg === '--output=json' || arg === '-ojson' || (arg === 'json' && /^(-o|--output)$/.test(args[at - 1] ?? '')),
  )
  let output = openOutput({ json: asksJson, quiet: false, verbose: false }, process.stdout, process.stderr, process.env)
  let exit = 0
  const start: Start = async (command, work) => {
    const options = globalOptions(command)
    output = openOutput(options, process.stdout, process.stderr, process.env)
    exit = await withSession(host, output, options, work)
  }
  endWithReader()
  try {
    await buildProgram(start).parseAsync(args, { from: 'user' })
    return exit
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0
    return tellFailure(thrown instanceof CommanderError ? usageError(thrown) : thrown, output)
  }
}

/** The whole command line; each command is filled in when it is meant. */
export function buildProgram(start: Start): Command {
  const program = new Command('naru')
    .description('From a commit to a measured rolling update.')
    .enablePositionalOptions()
    .configureHelp({ showGlobalOptions: false })
    .helpCommand(true)
  share(program, ['environment', 'app', 'file', 'data', 'server', 'noServer', 'output', 'quiet', 'verbose', 'timeout'])
  const loaders = new Map(COMMANDS.map((entry) => [entry.name, entry.load]))
  for (const { name, summary, group } of COMMANDS) {
    const command = program
      .command(name)
      .summary(summary)
      .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
    command.helpGroup(group)
  }
  program.hook('preSubcommand', async (_program, command) => {
    const load = loaders.get(command.name())
    if (load !== undefined) (await load())(command, start)
    quiet(command)
  })
  quiet(program)
  return program
}

/** Errors are thrown, and told once, in our form. */
function quiet(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => {} })
  for (const inner of command.commands) quiet(inner)
}

async function withSession(host: CliHost, output: Output, options: GlobalOptions, work: Work): Promise<number> {
  const interrupts = new Interrupts()
  if (options.timeoutSeconds !== null) interrupts.limit(options.timeoutSeconds)
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, interrupts.interrupt)
  const session: Session = {
    host,
    output,
    options,
    interrupts,
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
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, interrupts.interrupt)
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

/** Commander's words in our form: "error: unknown option '--foo'\n(Did you mean --file?)". */
function usageError(error: CommanderError): DeployError {
  const [first = '', ...more] = error.message.split('\n')
  const suggestion = more.join(' ').replace(/^\(/, '').replace(/\)$/, '').trim()
  const message = first.replace(/^error: /, '')
  const hint = suggestion === '' ? 'See what there is with: naru --help.' : suggestion
  return new DeployError('USAGE_INVALID', message, { hint })
}

/** `naru logs | head`: when nobody reads any more, there is nothing left to say. */
function endWithReader(): void {
  process.stdout.on('error', (failed: NodeJS.ErrnoException) => {
    if (failed.code === 'EPIPE') process.exit(process.exitCode ?? 0)
    throw failed
  })
}
