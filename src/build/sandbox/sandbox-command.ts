import type { RunNetwork } from '../run/run-flags.ts'
import type { RunUser } from '../run/run-user.ts'
import { type Tools, tool } from './tools.ts'

/** Docker's default without mknod, since devices never come into a layer. */
export const CAPABILITIES = [
  ...['chown', 'dac_override', 'fowner', 'fsetid', 'kill', 'setgid', 'setuid', 'setpcap', 'net_bind_service'],
  ...['net_raw', 'sys_chroot', 'audit_write', 'setfcap'],
]

/** `unshare …`: the namespaces in which enter.cjs mounts. They end, with all that runs in them, when their starter does. */
export function namespaces(tools: Tools, own: 'all' | 'outer', network: RunNetwork): readonly string[] {
  const inner =
    own === 'all' ? ['--ipc', '--uts', '--cgroup', ...(network === 'none' ? ['--net'] : [])] : ['--mount-proc']
  return [tool(tools, 'unshare'), '--mount', '--pid', '--fork', '--kill-child', ...inner, '--']
}

/**
 * Drops rights, changes root, folder and user, and becomes the command: each program replaces the one before. unshare changes the folder
 * after the root, so that links of the image lead nowhere else.
 */
export function commandChain(tools: Tools, user: RunUser, cwd: string, args: readonly string[]): readonly string[] {
  const bounding = `--bounding-set=-all,${CAPABILITIES.map((name) => `+${name}`).join(',')}`
  const become = user.uid === 0 ? [] : ['--setuid', String(user.uid)]
  return [
    ...[tool(tools, 'setpriv'), '--regid', String(user.gid), '--groups', user.groups.join(','), bounding, '--'],
    ...[tool(tools, 'unshare'), '--root=.', `--wd=${cwd}`, ...become, '--'],
    ...args,
  ]
}

/**
 * Whether the folder is one of the sandbox, asked of the kernel inside of it before an OCI runtime is: the links of /proc lead to whatever a
 * runtime has open (CVE-2024-21626), and stand nowhere yet. A folder cannot be executed, so that it ends with 126 when it came so far.
 */
export const folderCheck = (tools: Tools, root: string, cwd: string): readonly string[] => [
  ...[tool(tools, 'unshare'), `--root=${root}`, `--wd=${cwd}`, '--', '/'],
]
