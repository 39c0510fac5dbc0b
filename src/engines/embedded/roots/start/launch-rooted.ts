import type { Launch } from '../../launch.ts'
import { type Entrance, enterChain, splitEnvironment, tool } from './enter-chain.ts'
import { enterVariables } from './enter-variables.ts'
import type { ProcessUser } from '../image/process-user.ts'
import { TOOL_ENV, type Tools } from './tools.ts'

/** What all launches have in common. */
export type LaunchFrame = Pick<
  Launch,
  'stopSignal' | 'logOwner' | 'cgroups' | 'cgroupSteps' | 'secretFiles' | 'secretEnv'
>

/** A program in its image, and the tools to get it there. */
export interface RootedProgram {
  readonly tools: Tools
  readonly user: ProcessUser
  /** Absolute, inside the image. */
  readonly cwd: string
  /** Program and arguments inside the image. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** The image's own `env` program, for variables that no program of this machine may see; null: it has none. */
  readonly envProgram: string | null
}

export interface NamespacePlace {
  /** The folder in which lower folders have their short names. */
  readonly layers: string
  readonly root: string
  /** A file of fstab(5). */
  readonly mountTable: string
  readonly hostname: string
  /** Absolute path of enter.sh. */
  readonly enter: string
  /** In a user namespace of an ordinary user: one id, so everybody in the image is that one. */
  readonly userNamespace: boolean
}

/** `unshare … sh enter.sh …`: the program becomes PID 1 of its own namespaces, whose mounts go with it. */
export function launchInNamespaces(program: RootedProgram, place: NamespacePlace, frame: LaunchFrame): Launch {
  const { tools } = program
  const { env, command } = insideCommand(program)
  const user = place.userNamespace ? null : program.user
  const chain = enterChain({ tools, root: '.', cwd: program.cwd, by: 'unshare', user, command })
  const args = (when: 'now' | 'held'): string[] => [
    ...namespaces(place.userNamespace),
    '--',
    tool(tools, 'sh'),
    place.enter,
    tool(tools, 'mount'),
    place.layers,
    place.mountTable,
    place.root,
    place.hostname,
    when,
    tool(tools, 'env'),
    ...chain,
  ]
  return {
    ...frame,
    program: tool(tools, 'unshare'),
    args: args('now'),
    held: args('held'),
    env: { ...TOOL_ENV, ...enterVariables(env) },
    cwd: '/',
    uid: null,
    gid: null,
    signalTo: 'grandchild',
    before: [],
    after: [],
  }
}

const namespaces = (user: boolean): string[] => [
  ...(user ? ['--user', '--map-root-user'] : []),
  '--mount',
  '--pid',
  '--ipc',
  '--uts',
  '--fork',
  '--kill-child',
]

/** `setpriv … nsenter --root … program` into a folder that is the replica's own: one process from the first instruction. */
export function launchInChroot(
  program: RootedProgram,
  { root, by }: { readonly root: string; readonly by: Entrance },
  frame: LaunchFrame,
): Launch {
  const { env, command } = insideCommand(program)
  const [first = '', ...args] = enterChain({
    tools: program.tools,
    root,
    cwd: program.cwd,
    by,
    user: program.user,
    command,
  })
  return {
    ...frame,
    program: first,
    args,
    env,
    cwd: '/',
    uid: null,
    gid: null,
    signalTo: 'child',
    before: [],
    after: [],
  }
}

/**
 * A command beside a running program: its pid, ipc and uts namespaces, then its root as /proc shows it. That is opened as the working directory,
 * before capabilities go: without CAP_SYS_PTRACE nobody sees the root of another user's process.
 */
export function execInNamespaces(program: RootedProgram, pid: number, userNamespace: boolean): Launch {
  const { env, command } = insideCommand(program)
  const seen = `/proc/${pid}/root`
  const { root, cwd } = userNamespace ? { root: seen, cwd: '/' } : { root: '.', cwd: seen }
  const user = userNamespace ? null : program.user
  const into = [
    `--target=${pid}`,
    ...(userNamespace ? ['--user', '--preserve-credentials'] : []),
    '--pid',
    '--ipc',
    '--uts',
  ]
  const chain = enterChain({ tools: program.tools, root, cwd: program.cwd, by: 'unshare', user, command })
  const frame: LaunchFrame = { stopSignal: 'SIGKILL', cgroups: [], cgroupSteps: [], secretFiles: [], secretEnv: [] }
  const rest = { env, cwd, uid: null, gid: null, signalTo: 'child', before: [], after: [] } as const
  return { ...frame, ...rest, program: tool(program.tools, 'nsenter'), args: [...into, '--', ...chain] }
}

function insideCommand({ env: all, envProgram, command }: RootedProgram): {
  readonly env: Readonly<Record<string, string>>
  readonly command: readonly string[]
} {
  const { env, inside } = splitEnvironment(all)
  return { env, command: inside.length === 0 || envProgram === null ? command : [envProgram, ...inside, ...command] }
}
