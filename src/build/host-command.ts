import type { Report } from '../model/event.ts'
import { DeployError } from '../model/failure.ts'
import { ProgramNotStarted, run } from '../os/run.ts'

/** The command of `build.run`, where it runs and what it may see. */
export interface HostCommand {
  /** Program and arguments; never through a shell. */
  readonly run: readonly string[]
  /** The clean work tree, or its folder of the app. */
  readonly folder: string
  /** The environment of who deploys. Only PATH, HOME, LANG, TZ and the names in `allow` reach the command. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly allow: readonly string[]
  readonly timeoutMs: number
}

const ALWAYS = ['PATH', 'HOME', 'LANG', 'TZ']
/** Lines of output in the error: where a build tool says what went wrong. */
const LAST_LINES = 20

/** Runs `build.run` and reports its lines as they come, those of stderr too. Throws BUILD_RUN_FAILED with exit code and last lines. */
export async function runHostCommand(command: HostCommand, report: Report, signal: AbortSignal): Promise<void> {
  const [program, ...args] = command.run
  if (program === undefined) return
  const last: string[] = []
  const tell = (line: string) => {
    last.push(line)
    if (last.length > LAST_LINES) last.shift()
    report({ kind: 'log', from: 'build.run', line })
  }
  const {
    code,
    signal: killed,
    timedOut,
  } = await run(program, args, {
    cwd: command.folder,
    env: allowed(command),
    timeoutMs: command.timeoutMs,
    signal,
    onStdoutLine: tell,
    onStderrLine: tell,
  }).catch((failed: unknown) => {
    if (!(failed instanceof ProgramNotStarted)) throw failed
    throw new DeployError('BUILD_RUN_FAILED', `${program} could not be started: ${failed.code}`, {
      hint: 'build.run is a program of this machine and its arguments, looked up in PATH; a script needs a path such as ./mvnw and its executable bit in git.',
      detail: { program, errno: failed.code },
      cause: failed,
    })
  })
  if (code === 0) return
  throw runFailed(program, { code, killed, timedOut, timeoutMs: command.timeoutMs }, last)
}

function allowed({ environment, allow }: HostCommand): Record<string, string> {
  const names = new Set([...ALWAYS, ...allow])
  return Object.fromEntries(
    [...names].flatMap((name) => {
      const value = environment[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

interface Ended {
  readonly code: number | null
  readonly killed: NodeJS.Signals | null
  readonly timedOut: boolean
  readonly timeoutMs: number
}

function runFailed(
  program: string,
  { code, killed, timedOut, timeoutMs }: Ended,
  last: readonly string[],
): DeployError {
  const end = timedOut
    ? `did not end within ${timeoutMs / 1000} s`
    : killed === null
      ? `ended with exit code ${code}`
      : `was killed by ${killed}`
  const lines = last.length === 0 ? ' and said nothing' : `; its last lines:\n${last.join('\n')}`
  return new DeployError('BUILD_RUN_FAILED', `build.run: ${program} ${end}${lines}`, {
    hint: 'Nothing was built or changed. Run it in a fresh clone to see the same; it sees PATH, HOME, LANG, TZ and the names in build.runEnv.',
    detail: { program, ...(code === null ? {} : { exitCode: code }), ...(killed === null ? {} : { signal: killed }) },
  })
}
