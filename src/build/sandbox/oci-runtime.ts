import type { RunNetwork } from '../run/run-flags.ts'
import type { RunUser } from '../run/run-user.ts'
import { CAPABILITIES } from './sandbox-command.ts'
import { READ_ONLY_PROC } from '../../os/proc-guard.ts'
import { MASKED } from './sandbox-mounts.ts'

/** Sandboxes of OCI runtimes have cgroups of this name and that of their work folder: without a parent, which nobody could remove safely. */
export const CGROUP_PREFIX = 'naru-build-'

export interface BundleOf {
  readonly root: string
  /** Where /dev of the sandbox was put together. */
  readonly devices: string
  readonly id: string
  readonly user: RunUser
  readonly cwd: string
  readonly args: readonly string[]
  readonly network: RunNetwork
  readonly hostname: string
  /** `linux.resources`. */
  readonly resources: object
}

/** config.json of an OCI bundle (runtime-spec 1.0). Layers and mounts stand in `root` already; the runtime adds what only it has: seccomp and cgroups. */
export function ociBundle({ root, devices, id, user, cwd, args, network, hostname, resources }: BundleOf): {
  readonly process: object
} {
  const capabilities = CAPABILITIES.map((name) => `CAP_${name.toUpperCase()}`)
  const bind = { destination: '/dev', type: 'bind', source: devices, options: ['rbind', 'rw'] }
  const proc = { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] }
  return {
    ociVersion: '1.0.2',
    root: { path: root, readonly: false },
    hostname,
    process: {
      terminal: false,
      user: { uid: user.uid, gid: user.gid, additionalGids: user.groups, umask: 0o022 },
      args,
      cwd,
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: false,
    },
    mounts: [bind, proc],
    linux: {
      cgroupsPath: `/${CGROUP_PREFIX}${id}`,
      resources,
      namespaces: [
        ...['pid', 'ipc', 'uts', 'mount', 'cgroup'].map((type) => ({ type })),
        ...(network === 'none' ? [{ type: 'network' }] : []),
      ],
      maskedPaths: MASKED.map((name) => `/proc/${name}`),
      readonlyPaths: READ_ONLY_PROC.map((name) => `/proc/${name}`),
      seccomp: {
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [
          { names: REFUSED, action: 'SCMP_ACT_ERRNO', errnoRet: EPERM },
          // Its flags are behind a pointer, where no filter sees them: C libraries try clone then.
          { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
          ...NAMESPACE_FLAGS.map((flag) => ({
            names: ['clone'],
            action: 'SCMP_ACT_ERRNO',
            errnoRet: EPERM,
            args: [{ index: 0, value: flag, valueTwo: flag, op: 'SCMP_CMP_MASKED_EQ' }],
          })),
        ],
      },
    },
  } as { readonly process: object }
}

const EPERM = 1
const ENOSYS = 38

/** CLONE_NEWNS, -CGROUP, -UTS, -IPC, -USER, -PID, -NET (clone(2)): in a user namespace of its own a command would have all capabilities. */
const NAMESPACE_FLAGS = [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000]

/** System calls that no build needs and that reach the machine (those that Docker's default profile refuses). */
const REFUSED = [
  ...['acct', 'add_key', 'bpf', 'clock_adjtime', 'clock_settime', 'create_module', 'delete_module', 'finit_module'],
  ...[
    'get_kernel_syms',
    'init_module',
    'io_uring_enter',
    'io_uring_register',
    'io_uring_setup',
    'ioperm',
    'iopl',
    'kcmp',
  ],
  ...['kexec_file_load', 'kexec_load', 'keyctl', 'lookup_dcookie', 'mbind', 'migrate_pages', 'move_pages'],
  ...['nfsservctl', 'open_by_handle_at', 'perf_event_open', 'pivot_root', 'query_module', 'quotactl', 'reboot'],
  ...[
    'request_key',
    'set_mempolicy',
    'settimeofday',
    'stime',
    'swapon',
    'swapoff',
    'sysfs',
    'uselib',
    'userfaultfd',
    'ustat',
  ],
  ...['vm86', 'vm86old', 'unshare', 'setns', 'mount', 'umount', 'umount2', 'mount_setattr', 'move_mount', 'open_tree'],
  ...['fsconfig', 'fsmount', 'fsopen', 'fspick', 'fanotify_init', 'quotactl_fd', 'sethostname', 'setdomainname'],
  ...['syslog', 'vhangup'],
]
