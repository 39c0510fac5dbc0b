import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DeployError } from '../../model/failure.ts'
import { run } from '../../os/run.ts'
import type { Files } from '../image/file-entry.ts'
import { resolvePath } from '../image/resolve-path.ts'
import { type EnterSpec, mountTable } from './enter-spec.ts'
import type { Privileges } from './privileges.ts'
import type { RunStep } from './run-step.ts'
import type { RunUser } from './run-user.ts'
import { commandChain, namespaces } from './sandbox-command.ts'
import { type Bound, sandboxMounts } from './sandbox-mounts.ts'
import { TOOL_ENV, tool } from './tools.ts'
import type { WorkFolder } from './work-folder.ts'

/** One command to run in a file system that is put together for it. */
export interface Sandboxed {
  readonly step: RunStep
  readonly user: RunUser
  /** Folders of the layers below, top first. */
  readonly lowers: readonly string[]
  /** What these folders show together. */
  readonly files: Files
  readonly work: WorkFolder
  readonly timeoutMs: number
  readonly onLine: (line: string) => void
}

/** How a command ended. */
export interface Ended {
  readonly code: number | null
  readonly killed: NodeJS.Signals | null
  readonly timedOut: boolean
}

const ENTER = join(import.meta.dirname, 'enter.mjs')
const HOSTNAME = 'naru-build'
const NOT_MOUNTED = 125

/** Runs a command in namespaces of its own; what it writes is in the work folder's `upper`. Throws ISOLATION_UNAVAILABLE. */
export async function runSandboxed(of: Sandboxed, privileges: Privileges, signal: AbortSignal): Promise<Ended> {
  const { work, step } = of
  const { tools } = privileges
  const spec = await prepare(of, privileges)
  await writeFile(work.at('spec.json'), JSON.stringify(spec), { mode: 0o600 })
  const [program, args] = privileges.command([
    ...namespaces(tools, 'all', step.network),
    ...[process.execPath, ENTER, work.at('spec.json')],
  ])
  let refused: string | null = null
  const tell = (line: string) => {
    if (line.startsWith('naru: mount ')) refused = line
    of.onLine(line)
  }
  const ended = await run(program, args, {
    env: TOOL_ENV,
    cwd: '/',
    timeoutMs: of.timeoutMs,
    signal,
    onStdoutLine: of.onLine,
    onStderrLine: tell,
  })
  if (refused !== null && ended.code === NOT_MOUNTED) throw unavailable(refused)
  return { code: ended.code, killed: ended.signal, timedOut: ended.timedOut }
}

async function prepare(of: Sandboxed, privileges: Privileges): Promise<EnterSpec> {
  const { work, step, user } = of
  const bound = [...(await machineFiles(of)), ...(await scriptFile(of))]
  const mounts = sandboxMounts(
    {
      root: work.at('root'),
      lowers: await work.name(of.lowers),
      upper: 'upper',
      work: 'overlay',
      userNamespace: privileges.userNamespace,
      devices: work.at('dev'),
      proc: true,
      bound,
    },
    existsSync,
  )
  await writeFile(work.at('mounts'), mountTable(mounts))
  return {
    mount: tool(privileges.tools, 'mount'),
    mountsFrom: work.path,
    mountTable: work.at('mounts'),
    newRoot: work.at('root'),
    hostname: HOSTNAME,
    env: { HOME: user.home, ...step.proxies, ...step.env },
    chain: commandChain(privileges.tools, user, step.cwd, step.args),
  }
}

/** Name lookup as the machine has it, and a name for the sandbox itself; never part of the layer. */
async function machineFiles(of: Sandboxed): Promise<readonly Bound[]> {
  const resolver = await readFile('/etc/resolv.conf', 'utf8').catch(() => '')
  const hosts = `127.0.0.1 localhost ${HOSTNAME}\n::1 localhost ip6-localhost ip6-loopback\n`
  return [await boundText(of, 'etc/resolv.conf', resolver), await boundText(of, 'etc/hosts', hosts)]
}

async function boundText({ work, files }: Sandboxed, path: string, text: string): Promise<Bound> {
  const target = resolvePath(files, path)?.path ?? path
  const source = work.at(`file-${path.replaceAll('/', '-')}`)
  await writeFile(source, text)
  await chmod(source, 0o644)
  await work.stub(target, 'file')
  return { source, target, readOnly: true }
}

async function scriptFile({ step, work }: Sandboxed): Promise<readonly Bound[]> {
  if (step.script === null) return []
  const { path, content } = step.script
  await mkdir(work.at('dev/pipes'), { recursive: true })
  await writeFile(work.at(path), content)
  await chmod(work.at(path), 0o755)
  return []
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
