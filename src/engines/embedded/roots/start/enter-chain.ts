import { DeployError } from '../../../../model/failure.ts'
import type { ProcessUser } from '../image/process-user.ts'
import { isOrdinary } from './enter-variables.ts'
import type { Tools } from './tools.ts'

/**
 * Capabilities that a program of user 0 keeps: Docker's default without mknod. SYS_CHROOT stays because the change of root comes
 * after it; in namespaces it leads nowhere (the image is the namespace's own root), in `chroot` it does, and the notes say so.
 */
const KEPT =
  'chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw,sys_chroot,audit_write,setfcap'
const BOUNDING = `--bounding-set=-all,${KEPT.split(',')
  .map((name) => `+${name}`)
  .join(',')}`

/**
 * What changes root and working directory. `unshare` and `nsenter` open the folder after they have changed the root, so that links of the
 * image lead nowhere else; Docker's seccomp profile forbids the first one's unshare(2). `old-nsenter`, of util-linux before 2.38, opens it
 * before, as this machine sees it: a replica that swaps its folder for a link between our look and the start of a check can be beside it.
 */
export type Entrance = 'unshare' | 'nsenter' | 'old-nsenter'

export interface ChainEnd {
  readonly tools: Tools
  /** Folder on this machine (or relative, in the right working directory). */
  readonly root: string
  /** The working directory, absolute inside the root. */
  readonly cwd: string
  readonly by: Entrance
  /** null: the ids are what they are (a user namespace of one id). */
  readonly user: ProcessUser | null
  /** Program inside the root, and its arguments. */
  readonly command: readonly string[]
}

/** Drops what the program may not have, changes root, working directory and user, and becomes the program: each replaces the one before. */
export function enterChain({ tools, root, cwd, by, user, command }: ChainEnd): string[] {
  const groups =
    user === null
      ? []
      : [
          '--regid',
          `${user.gid}`,
          ...(user.groups.length === 0 ? ['--clear-groups'] : ['--groups', user.groups.join(',')]),
        ]
  const become = user === null || user.uid === 0 ? [] : ['--setuid', `${user.uid}`]
  const program = tool(tools, by === 'unshare' ? 'unshare' : 'nsenter')
  const enter = [program, `--root=${root}`, workingDirectory(by, root, cwd)]
  return [tool(tools, 'setpriv'), ...groups, BOUNDING, '--', ...enter, ...become, '--', ...command]
}

function workingDirectory(by: Entrance, root: string, cwd: string): string {
  if (by === 'unshare') return `--wd=${cwd}`
  return by === 'nsenter' ? `--wdns=${cwd}` : `--wd=${root}${cwd}`
}

/** The path of a tool that the isolation was found to work with. Throws ISOLATION_UNAVAILABLE when it is gone. */
export function tool(tools: Tools, name: keyof Tools): string {
  const path = tools[name]
  if (path !== null) return path
  throw new DeployError('ISOLATION_UNAVAILABLE', `the program ${name} is not on this machine`, {
    hint: 'Install util-linux and coreutils. See what is found with: naru doctor',
  })
}

/** Variables with which the loader or the C library would read files of the image's choice, as the user who runs Naru. */
const STEERING = /^(LD_.*|GLIBC_TUNABLES|GCONV_PATH|GETCONF_DIR|LOCPATH|NLSPATH|MALLOC_.*)$/

export interface SplitEnvironment {
  readonly env: Readonly<Record<string, string>>
  /** `NAME=value`, to be set inside the root by the image's own env program. */
  readonly inside: readonly string[]
}

/** Takes out what must not reach a program of this machine: it is set inside the root, where only the image's own files can be meant. */
export function splitEnvironment(env: Readonly<Record<string, string>>): SplitEnvironment {
  const entries = Object.entries(env)
  return {
    env: Object.fromEntries(entries.filter(([name]) => !STEERING.test(name))),
    inside: entries.filter(([name]) => STEERING.test(name)).map(([name, value]) => `${name}=${value}`),
  }
}

/** Refuses secrets under such names: they travel in the environment of these programs. */
export function checkSecretNames(names: readonly string[]): void {
  const wrong = names.find((name) => STEERING.test(name) || !isOrdinary(name))
  if (wrong === undefined) return
  throw new DeployError('ENGINE_NOT_SUPPORTED', `a secret named ${wrong} cannot be a variable on this engine`, {
    hint: 'Give it another name, give it as a file, or put the value under `env`.',
    detail: { secret: wrong },
  })
}
