import { READ_ONLY_PROC } from '../../os/proc-guard.ts'
import type { Mount } from './enter-spec.ts'

/** What stands at a path in the sandbox beside the layers; `target`: in the image, no slash at either end, no link on its way. */
export type Bound = { readonly target: string } & (
  | { readonly kind: 'bind'; readonly source: string; readonly readOnly: boolean }
  /** What is written goes to `upper`, which is forgotten. */
  | { readonly kind: 'overlay'; readonly lower: string; readonly upper: string; readonly work: string }
  | { readonly kind: 'memory'; readonly sizeBytes: number | null }
)

export interface SandboxMounts {
  /** Absolute: where the root of the sandbox is put together. */
  readonly root: string
  /** Lower folders, top first, and the folders of the overlay; relative to where mount runs. */
  readonly lowers: readonly string[]
  readonly upper: string
  readonly work: string
  readonly userNamespace: boolean
  /** A folder with the mount points of /dev. */
  readonly devices: string
  /** /proc of these namespaces; false: an OCI runtime makes its own, and it is empty until then, whatever an image has there. */
  readonly proc: boolean
  readonly bound: readonly Bound[]
}

/** What every sandbox has of the machine's devices. */
export const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'] as const

/** Of /proc, by which a root user would reach the whole machine (runc's lists). */
export const MASKED = [
  'acpi',
  'asound',
  'kcore',
  'keys',
  'latency_stats',
  'timer_list',
  'timer_stats',
  'sched_debug',
  'scsi',
]

/** Everything that a command sees, in the order in which it is mounted. No folder of the machine is among it but what the build brings. */
export function sandboxMounts(of: SandboxMounts, exists: (path: string) => boolean): readonly Mount[] {
  const at = (path: string) => `${of.root}/${path}`
  const mount = (source: string, target: string, type: string, options: readonly string[]): Mount => ({
    source,
    target: at(target),
    type,
    options,
  })
  const bind = (source: string, target: string, more: readonly string[] = []) =>
    mount(source, target, 'none', ['bind', ...more])
  return [
    { source: 'overlay', target: of.root, type: 'overlay', options: overlayOptions(of) },
    bind(of.devices, 'dev'),
    ...DEVICES.map((name) => bind(`/dev/${name}`, `dev/${name}`)),
    mount('devpts', 'dev/pts', 'devpts', ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620']),
    mount('shm', 'dev/shm', 'tmpfs', ['nosuid', 'nodev', 'noexec', 'mode=1777', 'size=64m']),
    mount('mqueue', 'dev/mqueue', 'mqueue', ['nosuid', 'nodev', 'noexec']),
    // Of another user's network a user namespace may show nothing.
    ...(of.userNamespace ? [] : [mount('sysfs', 'sys', 'sysfs', ['nosuid', 'nodev', 'noexec', 'ro'])]),
    ...(of.proc ? procMounts(mount, bind, exists) : [mount('none', 'proc', 'tmpfs', ['ro', 'size=0'])]),
    ...[...of.bound]
      .sort((a, b) => (a.target < b.target ? -1 : 1))
      .map((one) => madeInMemory(boundMount(one, of), one, of)),
  ]
}

/** A mount point inside a fresh tmpfs is made when that is there: the upper folder has none. */
function madeInMemory(mount: Mount, bound: Bound, of: SandboxMounts): Mount {
  const inside = of.bound.some(({ kind, target }) => kind === 'memory' && bound.target.startsWith(`${target}/`))
  return inside ? { ...mount, options: [...mount.options, 'X-mount.mkdir'] } : mount
}

function boundMount(bound: Bound, { root, userNamespace }: SandboxMounts): Mount {
  const target = `${root}/${bound.target}`
  if (bound.kind === 'bind') {
    return { source: bound.source, target, type: 'none', options: ['bind', ...(bound.readOnly ? ['ro'] : [])] }
  }
  if (bound.kind === 'memory') {
    const size = bound.sizeBytes === null ? [] : [`size=${bound.sizeBytes}`]
    return { source: 'tmpfs', target, type: 'tmpfs', options: ['nosuid', 'nodev', 'mode=1777', ...size] }
  }
  const { lower, upper, work } = bound
  return {
    source: 'overlay',
    target,
    type: 'overlay',
    options: overlayOptions({ lowers: [lower], upper, work, userNamespace }),
  }
}

function overlayOptions({
  lowers,
  upper,
  work,
  userNamespace,
}: Pick<SandboxMounts, 'lowers' | 'upper' | 'work' | 'userNamespace'>): readonly string[] {
  const folders = [`lowerdir=${lowers.join(':')}`, `upperdir=${upper}`, `workdir=${work}`]
  return userNamespace ? [...folders, 'userxattr'] : [...folders, 'redirect_dir=off', 'metacopy=off', 'index=off']
}

function procMounts(
  mount: (source: string, target: string, type: string, options: readonly string[]) => Mount,
  bind: (source: string, target: string, more?: readonly string[]) => Mount,
  exists: (path: string) => boolean,
): readonly Mount[] {
  const there = (names: readonly string[]) => names.filter((name) => exists(`/proc/${name}`))
  return [
    mount('proc', 'proc', 'proc', ['nosuid', 'nodev', 'noexec']),
    ...there(READ_ONLY_PROC).map((name) => bind(`/proc/${name}`, `proc/${name}`, ['ro'])),
    ...there(MASKED).map((name) =>
      name === 'acpi' || name === 'asound' || name === 'scsi'
        ? mount('none', `proc/${name}`, 'tmpfs', ['ro', 'size=0'])
        : bind('/dev/null', `proc/${name}`),
    ),
  ]
}
