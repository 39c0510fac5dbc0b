import { type RunOptions, type RunResult, ProgramNotStarted, run } from '../os/run.ts'
import { DeployError } from '../model/failure.ts'
import { gitFailure } from './git-failure.ts'

/** Variables of the caller that git, ssh and curl need; everything else stays out, above all GIT_* that change what git does. */
const PASSED = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'XDG_CONFIG_HOME',
  'TMPDIR',
  'SSH_AUTH_SOCK',
  'GIT_SSH',
  'GIT_ASKPASS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'HTTPS_PROXY',
  'https_proxy',
  'ALL_PROXY',
  'all_proxy',
  'NO_PROXY',
  'no_proxy',
] as const

/** What git's checks find in old commits of honest projects, and what cannot harm (git-fsck(1)). */
export const TOLERATED = ['badTimezone', 'zeroPaddedFilemode', 'missingSpaceBeforeDate'] as const

/** Said before every command: nothing that a repository brings is run, nothing runs later in the background, what arrives is checked (A2, A3). */
const SETTINGS = [
  'protocol.ext.allow=never',
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.attributesFile=/dev/null',
  'core.excludesFile=/dev/null',
  'core.protectHFS=true',
  'core.protectNTFS=true',
  'core.symlinks=true',
  'core.autocrlf=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'submodule.recurse=false',
  'fetch.recurseSubmodules=false',
  'fetch.unpackLimit=1',
  'fetch.fsckObjects=true',
  ...TOLERATED.map((finding) => `fetch.fsck.${finding}=ignore`),
  // A connection that stands still for a minute is dead.
  'http.lowSpeedLimit=1',
  'http.lowSpeedTime=60',
]

export interface GitCall {
  /** For messages: where from, and what for. */
  readonly url: string
  readonly doing: string
  /** Default: the root, since the folder of the process may be gone. */
  readonly cwd?: string
  /** Whether the repository at `cwd` is meant. Otherwise GIT_DIR says which, and without it there is none: not the one around the process. */
  readonly discover?: boolean
  /** More variables, above all GIT_DIR. */
  readonly env?: Readonly<Record<string, string>>
  /** More settings, by the environment, since they may be secret. */
  readonly secretSettings?: readonly (readonly [key: string, value: string])[]
  readonly input?: NonNullable<RunOptions['input']>
  readonly onStdout?: NonNullable<RunOptions['onStdout']>
  readonly onStart?: NonNullable<RunOptions['onStart']>
  readonly timeoutMs?: number
  readonly maxOutputBytes?: number
}

/** Starts git by an argument list with an environment of its own. */
export class GitProgram {
  readonly #env: Readonly<Record<string, string>>
  #checked: Promise<void> | null = null

  constructor(callerEnv: Readonly<Record<string, string | undefined>>) {
    this.#env = gitEnvironment(callerEnv)
  }

  /** Runs git and gives its standard output. Throws SOURCE_* or DISK_FULL when it fails. */
  async call(args: readonly string[], options: GitCall, signal: AbortSignal): Promise<string> {
    const result = await this.try(args, options, signal)
    if (result.code === 0) return result.stdout
    throw gitFailure(result.stderr, options.url, options.doing, result.timedOut ? timeoutOf(options) : null)
  }

  /** Runs git; a failure is an answer too. Throws SOURCE_TOOL_MISSING only. */
  async try(args: readonly string[], options: GitCall, signal: AbortSignal): Promise<RunResult> {
    this.#checked ??= this.#checkVersion(signal)
    try {
      await this.#checked
    } catch (failed) {
      this.#checked = null
      throw failed
    }
    return this.#start(['--no-pager', ...SETTINGS.flatMap((setting) => ['-c', setting]), ...args], options, signal)
  }

  async #start(args: readonly string[], options: GitCall, signal: AbortSignal): Promise<RunResult> {
    const runOptions: RunOptions = {
      env: {
        ...this.#env,
        ...(options.discover === true ? {} : { GIT_DIR: '/dev/null' }),
        ...options.env,
        ...settingsAsVariables(options.secretSettings ?? []),
      },
      timeoutMs: timeoutOf(options),
      signal,
      cwd: options.cwd ?? '/',
      ...(options.input === undefined ? {} : { input: options.input }),
      ...(options.onStdout === undefined ? {} : { onStdout: options.onStdout }),
      ...(options.onStart === undefined ? {} : { onStart: options.onStart }),
      ...(options.maxOutputBytes === undefined ? {} : { maxOutputBytes: options.maxOutputBytes }),
    }
    try {
      return await run('git', args, runOptions)
    } catch (failed) {
      if (failed instanceof ProgramNotStarted) throw toolMissing('git could not be started', failed)
      throw failed
    }
  }

  /** GIT_CONFIG_GLOBAL came with 2.32: with an older one the user's settings could start programs. */
  async #checkVersion(signal: AbortSignal): Promise<void> {
    const { stdout } = await this.#start(
      ['version'],
      { url: '', doing: 'asking for its version', timeoutMs: 20_000 },
      signal,
    )
    const [, major, minor] = /(\d+)\.(\d+)/.exec(stdout) ?? []
    if (Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 32)) return
    throw toolMissing(`git 2.32 or newer is needed, and this is ${JSON.stringify(stdout.trim().slice(0, 60))}`)
  }
}

const timeoutOf = (options: GitCall): number => options.timeoutMs ?? 60_000

/** The whole environment of git: allowed variables of the caller, and what keeps the user's and the system's settings out. */
export function gitEnvironment(caller: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const passed = PASSED.flatMap((name) => {
    const value = caller[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return {
    ...Object.fromEntries(passed),
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    // `file` is not in it: a local repository is read in place, and no URL from inside a repository may lead to one.
    GIT_ALLOW_PROTOCOL: 'https:ssh',
    GIT_NO_LAZY_FETCH: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
  }
}

/** Settings as GIT_CONFIG_* variables (git-config(1)): not to be seen in the list of processes. */
function settingsAsVariables(settings: readonly (readonly [string, string])[]): Record<string, string> {
  if (settings.length === 0) return {}
  const pairs = settings.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ])
  return { GIT_CONFIG_COUNT: String(settings.length), ...Object.fromEntries(pairs) }
}

function toolMissing(message: string, cause?: unknown): DeployError {
  return new DeployError('SOURCE_TOOL_MISSING', message, {
    hint: 'Install git 2.32 or newer (apt install git, dnf install git) and see that it is in PATH.',
    cause,
  })
}
