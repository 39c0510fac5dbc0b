import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  fchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { Writable } from 'node:stream'
import { DeployError } from '../../../../model/failure.ts'
import { inCgroups, restoreCgroups } from '../../../../os/cgroup.ts'
import { identifyChild } from '../../../../os/process-identity.ts'
import { ProgramNotStarted, type RunResult, run } from '../../../../os/run.ts'
import type { Launch } from '../../launch.ts'
import type { Ending, KeptProcess } from './kept-process.ts'
import { MARK_NAME } from './process-tree.ts'
import type { Secrets } from '../protocol.ts'

/** errno name: the program could not be started at all. */
export interface NotStarted {
  readonly startError: string
}

/** One start of a launch. */
export interface Start {
  readonly launch: Launch
  readonly secrets: Secrets
  /** In its environment: finds it when nothing else of it is known. */
  readonly nonce: string
  /** Descriptor of its log. */
  readonly log: number
}

/** Starts a launch in a session of its own with its output straight into its log. */
export async function spawnLaunch(start: Start): Promise<KeptProcess | NotStarted> {
  const { log, launch } = start
  return keptChild(spawnChild(start, launch.args, ['ignore', log, log]))
}

/** A start that waits before its program. */
export interface HeldChild extends KeptProcess {
  /** One byte opens it; its end, also by the keeper's death, ends what waits. */
  readonly door: Writable
}

/** The same for a launch that can wait. */
export async function spawnHeld(start: Start): Promise<HeldChild | NotStarted> {
  const { log, launch } = start
  const child = spawnChild(start, launch.held ?? [], ['ignore', log, log, 'pipe'])
  const kept = await keptChild(child)
  if ('startError' in kept) return kept
  const door = child.stdio[3] as Writable
  // It may be gone before it hears: its end is an event of its own.
  door.on('error', () => {})
  return { ...kept, door }
}

function spawnChild({ launch, secrets, nonce }: Start, args: readonly string[], stdio: StdioOptions): ChildProcess {
  const env = { ...launch.env, ...secretEnvironment(launch, secrets), [MARK_NAME]: nonce }
  restoreCgroups(launch.cgroups, launch.cgroupSteps)
  // spawn returns after fork and exec: nothing else of ours is started while we are in these cgroups.
  return inCgroups(launch.cgroups, () =>
    spawn(launch.program, args, {
      cwd: launch.cwd,
      env,
      detached: true,
      stdio,
      ...(launch.uid === null ? {} : { uid: launch.uid }),
      ...(launch.gid === null ? {} : { gid: launch.gid }),
    }),
  )
}

async function keptChild(child: ChildProcess): Promise<KeptProcess | NotStarted> {
  const identity = child.pid === undefined ? null : identifyChild(child.pid)
  if (identity === null) {
    const failed = await new Promise<NodeJS.ErrnoException>((resolve) => child.once('error', resolve))
    return { startError: failed.code ?? 'EUNKNOWN' }
  }
  const ended = new Promise<Ending>((resolve) =>
    child.once('exit', (code, signal) => resolve({ known: true, code, signal })),
  )
  return { identity, ended }
}

/** Values for `secretEnv`. A name without a value is left out: the server has checked that all are set. */
export const secretEnvironment = (launch: Launch, secrets: Secrets): Record<string, string> =>
  Object.fromEntries(launch.secretEnv.flatMap((name) => (secrets[name] === undefined ? [] : [[name, secrets[name]]])))

/** Names of secrets without which this launch cannot start. */
export const neededSecrets = (launch: Launch): string[] => [
  ...launch.secretEnv,
  ...launch.secretFiles.map(({ secret }) => secret),
]

/** Writes the secret files anew: 0600, the replica's own, and never through a link that an image put in the way. */
export function writeSecretFiles(launch: Launch, secrets: Secrets): void {
  for (const { secret, path, uid = launch.uid, gid = launch.gid } of launch.secretFiles) {
    const value = secrets[secret]
    if (value === undefined) continue
    makeAgain(dirname(path))
    if (realpathSync(dirname(path)) !== dirname(path)) throw startFailed(`${dirname(path)} is behind a symbolic link`)
    rmSync(path, { force: true })
    const file = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
    try {
      if (uid !== null) fchownSync(file, uid, gid ?? uid)
      writeSync(file, value)
    } finally {
      closeSync(file)
    }
  }
}

/** A folder in memory is gone after a restart of the machine; what it stands in may be made by anybody. */
function makeAgain(folder: string): void {
  if (existsSync(folder)) return
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (lstatSync(dirname(folder)).uid !== process.geteuid?.())
    throw startFailed(`${dirname(folder)} belongs to somebody else`)
}

export function removeSecretFiles(launch: Launch): void {
  for (const { path } of launch.secretFiles) rmSync(path, { force: true })
}

/** Runs argument lists one after the other (mounts and their undoing). Throws REPLICA_START_FAILED with what the failing one said. */
export async function runLists(lists: readonly (readonly string[])[], signal: AbortSignal): Promise<void> {
  for (const [program = '', ...args] of lists) {
    const result = await runTool(program, args, signal)
    if (result.code === 0) continue
    const said = result.stderr.trim().slice(-500)
    throw startFailed(`${program} ended with ${result.signal ?? result.code}${said === '' ? '' : `: ${said}`}`)
  }
}

const TOOL_ENV = { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }

async function runTool(program: string, args: readonly string[], signal: AbortSignal): Promise<RunResult> {
  try {
    return await run(program, args, { env: TOOL_ENV, timeoutMs: 30_000, signal })
  } catch (failed) {
    throw failed instanceof ProgramNotStarted ? startFailed(failed.message) : failed
  }
}

const startFailed = (message: string): DeployError =>
  new DeployError('REPLICA_START_FAILED', message, {
    hint: 'The machine could not make what the replica runs in. See what it can do with: naru doctor',
  })
