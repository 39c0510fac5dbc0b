import { stat } from 'node:fs/promises'
import { DeployError } from '../model/failure.ts'
import { ProgramNotStarted, type RunResult, run } from '../os/run.ts'

/** The repository in which a folder stands. */
export interface FoundRepository {
  /** Absolute path of its work tree. */
  readonly root: string
  /** The folder inside it, with slashes; '' is the root. */
  readonly folder: string
}

/** What is in a work tree but in no commit. */
export interface UncommittedChanges {
  readonly count: number
  /** The first names, for a message; untracked folders count once. */
  readonly first: readonly string[]
}

type Environment = Readonly<Record<string, string | undefined>>

const FIRST_NAMES = 5
/** Set by git inside a hook: they would lead away from the folder that is asked about. */
const OTHER_REPOSITORY = new Set(['GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE', 'GIT_PREFIX', 'GIT_COMMON_DIR'])

/** Finds the repository around a folder; null: there is none. Throws SOURCE_NOT_FOUND, SOURCE_TOOL_MISSING, SOURCE_AUTH_FAILED. */
export async function findRepository(
  folder: string,
  env: Environment,
  signal: AbortSignal,
): Promise<FoundRepository | null> {
  const result = await ask(
    folder,
    ['rev-parse', '--path-format=absolute', '--show-toplevel', '--show-prefix'],
    env,
    signal,
  )
  if (result.code === 0) {
    const [root = '', prefix = ''] = result.stdout.split('\n')
    return { root, folder: prefix.replace(/\/$/, '') }
  }
  if (/dubious ownership/.test(result.stderr)) throw notOurs(folder)
  return null
}

/**
 * Looks for changes that a deploy would leave out, below `folder`. This is the user's own git with the user's settings, in the
 * user's own work tree: what it tells is what `git status` tells there.
 */
export async function uncommittedChanges(
  folder: string,
  env: Environment,
  signal: AbortSignal,
): Promise<UncommittedChanges> {
  const args = [
    '-c',
    'core.fsmonitor=false',
    'status',
    '--porcelain=v1',
    '-z',
    '--no-renames',
    '--untracked-files=normal',
    '--',
    '.',
  ]
  const result = await ask(folder, args, env, signal)
  if (/dubious ownership/.test(result.stderr)) throw notOurs(folder)
  if (result.code !== 0) return { count: 0, first: [] }
  const names = result.stdout
    .split('\0')
    .flatMap((entry) => (entry.length > 3 ? [entry.slice(3).replace(/\p{Cc}/gu, '?')] : []))
  return { count: names.length, first: names.slice(0, FIRST_NAMES) }
}

async function ask(folder: string, args: readonly string[], env: Environment, signal: AbortSignal): Promise<RunResult> {
  if (!(await stat(folder).catch(() => null))?.isDirectory()) {
    throw new DeployError('SOURCE_NOT_FOUND', `there is no folder ${folder}`, { hint: 'Check the path.' })
  }
  const given = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || OTHER_REPOSITORY.has(name) ? [] : [[name, value] as const],
  )
  const variables = { ...Object.fromEntries(given), LC_ALL: 'C', GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0' }
  try {
    return await run('git', ['--no-pager', ...args], { cwd: folder, env: variables, timeoutMs: 60_000, signal })
  } catch (failed) {
    if (!(failed instanceof ProgramNotStarted)) throw failed
    throw new DeployError('SOURCE_TOOL_MISSING', 'git could not be started', {
      hint: 'Install git (apt install git, dnf install git) and see that it is in PATH.',
      cause: failed,
    })
  }
}

function notOurs(folder: string): DeployError {
  return new DeployError('SOURCE_AUTH_FAILED', `the repository around ${folder} belongs to another user`, {
    hint: `If you trust it: git config --global --add safe.directory ${folder}`,
  })
}
