import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { DeployError } from '../../model/failure.ts'
import { inCgroups } from '../../os/cgroup.ts'
import { run } from '../../os/run.ts'
import type { RunLimits } from '../builder.ts'
import type { Files } from '../image/file-entry.ts'
import { resolvePath } from '../image/resolve-path.ts'
import { type EnterSecrets, type EnterSpec, mountTable } from './enter-spec.ts'
import { ociBundle } from './oci-runtime.ts'
import type { Privileges } from './privileges.ts'
import type { PreparedMounts } from '../run/run-mounts.ts'
import type { RunStep } from '../run/run-step.ts'
import type { RunUser } from '../run/run-user.ts'
import { limitGroups, ociResources } from './run-limits.ts'
import { commandChain, folderCheck, namespaces } from './sandbox-command.ts'
import { type Bound, sandboxMounts } from './sandbox-mounts.ts'
import { TOOL_ENV, tool } from './tools.ts'
import type { WorkFolder } from './work-folder.ts'

/** One command to run in a file system that is put together for it. */
export interface Sandboxed {
  readonly step: RunStep
  readonly user: RunUser
  /** Folders of the layers below, top first. */
  readonly lowers: readonly string[]
  readonly mounts: PreparedMounts
  readonly texts: readonly Bound[]
  /** Where programs find certificates that are no part of the image; variables of the step go before. */
  readonly trustEnv: Readonly<Record<string, string>>
  readonly work: WorkFolder
  /** An OCI runtime of this machine; null: namespaces alone. */
  readonly runtime: string | null
  readonly timeoutMs: number
  readonly limits: RunLimits
  readonly onLine: (line: string) => void
}

/** How a command ended. */
export interface Ended {
  readonly code: number | null
  readonly killed: NodeJS.Signals | null
  readonly timedOut: boolean
}

/** A runtime writes it when the command was started: until then its exit code and what is said are its own. */
const PID_FILE = 'pid'
const ENTER = join(import.meta.dirname, 'enter.cjs')
const HOSTNAME = 'naru-build'

/** Runs a command in namespaces of its own; what it writes is in the work folder's `upper`. Throws ISOLATION_UNAVAILABLE. */
export async function runSandboxed(of: Sandboxed, privileges: Privileges, signal: AbortSignal): Promise<Ended> {
  const { work, step, runtime, mounts } = of
  await writeFile(work.at('spec.json'), JSON.stringify(await enterSpec(of, privileges)), { mode: 0o600 })
  const [program, args] = privileges.command([
    ...namespaces(privileges.tools, runtime === null ? 'all' : 'outer', step.network),
    ...[process.execPath, ENTER, work.at('spec.json')],
  ])
  // Nobody but enter.cjs is told it: no command can look like a sandbox that was not made.
  const begins = randomBytes(16).toString('hex')
  let begun = false
  let last = ''
  const before: string[] = []
  const tell = (line: string) => {
    if (begun) of.onLine(line)
    else if (line === begins) begun = true
    else before.push(line)
    last = line
  }
  const groups = runtime === null ? limitGroups(basename(work.path), of.limits) : { procs: [], missing: [] }
  for (const name of groups.missing) of.onLine(`naru: the ${name} of RUN cannot be limited here`)
  const ended = await inCgroups(groups.procs, () =>
    run(program, args, {
      env: TOOL_ENV,
      cwd: '/',
      input: JSON.stringify({ ...mounts.secrets, begins } satisfies EnterSecrets),
      timeoutMs: of.timeoutMs,
      signal,
      onStdoutLine: of.onLine,
      onStderrLine: tell,
    }),
  )
  if (!begun && !ended.timedOut && before.length > 0) throw unavailable(before.join(' '))
  const isStarted = runtime === null || existsSync(work.at(PID_FILE))
  return { code: isStarted ? ended.code : notStarted(ended.code, last), killed: ended.signal, timedOut: ended.timedOut }
}

/** The code of a command that a runtime could not start, as shells tell it; runtimes end with 1. */
function notStarted(code: number | null, said: string): number | null {
  if (code !== 1) return code
  if (/no such file|not found/i.test(said)) return 127
  return /permission denied|exec format error|is a directory/i.test(said) ? 126 : code
}

async function enterSpec(of: Sandboxed, privileges: Privileges): Promise<EnterSpec> {
  const { work, step, user, runtime, mounts } = of
  const root = work.at('root')
  const table = sandboxMounts(
    {
      ...{ root, lowers: await work.name(of.lowers), upper: 'upper', work: 'overlay', devices: work.at('dev') },
      ...{ userNamespace: privileges.userNamespace, proc: runtime === null, bound: [...of.texts, ...mounts.bound] },
    },
    existsSync,
  )
  await writeFile(work.at('mounts'), mountTable(table))
  const frame = {
    mount: tool(privileges.tools, 'mount'),
    mountsFrom: work.path,
    mountTable: work.at('mounts'),
    ...{ hostname: HOSTNAME, setHostname: privileges.tools.hostname },
    cwd: step.cwd,
    privateFolder: work.at('private'),
    own: TOOL_ENV,
    env: { HOME: user.home, ...of.trustEnv, ...step.proxies, ...step.env, ...mounts.env },
  }
  const { args, cwd, network } = step
  if (runtime === null) {
    const chain = commandChain(privileges.tools, user, cwd, args)
    return { ...frame, newRoot: root, check: null, bundle: null, chain }
  }
  const id = basename(work.path)
  const resources = ociResources(of.limits)
  const devices = `${root}/dev`
  const bundle = ociBundle({ root, devices, id, user, cwd, args, network, hostname: HOSTNAME, resources })
  const state = `${frame.privateFolder}/state`
  const chain = [runtime, '--root', state, 'run', '--no-new-keyring', '--pid-file', work.at(PID_FILE)]
  const whole = [...chain, '--bundle', frame.privateFolder, id]
  return { ...frame, newRoot: null, check: folderCheck(privileges.tools, root, cwd), bundle, chain: whole }
}

/** Name lookup as the machine has it, and a name for the sandbox itself; never part of the layer. */
export async function machineFiles(work: WorkFolder, files: Files): Promise<readonly (Bound & { kind: 'bind' })[]> {
  const resolver = await readFile('/etc/resolv.conf', 'utf8').catch(() => '')
  const hosts = `127.0.0.1 localhost ${HOSTNAME}\n::1 localhost ip6-localhost ip6-loopback\n`
  const texts = { 'etc/resolv.conf': resolver, 'etc/hosts': hosts }
  return Promise.all(
    Object.entries(texts).map(async ([path, text]) => {
      const source = work.at(basename(path))
      await writeFile(source, text)
      await chmod(source, 0o644)
      return { kind: 'bind', source, target: resolvePath(files, path)?.path ?? path, readOnly: true } as const
    }),
  )
}

/** Puts a script with an interpreter of its own where the step says. */
export async function placeScript({ script }: RunStep, work: WorkFolder): Promise<void> {
  if (script === null) return
  await writeFile(work.at(script.path), script.content)
  await chmod(work.at(script.path), 0o755)
}

function unavailable(line: string): DeployError {
  return new DeployError(
    'ISOLATION_UNAVAILABLE',
    `RUN cannot have a file system of its own here: ${line.slice(0, 400)}`,
    {
      hint: 'Nothing was pushed. The data folder must be on ext4, xfs, btrfs or tmpfs, and mounts must be allowed (not in an unprivileged container).',
    },
  )
}
