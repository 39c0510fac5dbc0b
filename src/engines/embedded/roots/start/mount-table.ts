/** What a replica sees. */
export interface MountTable {
  /** Absolute. */
  readonly root: string
  /** Lower folders, top first, relative to the folder of layers; null: `root` is a copy already. */
  readonly overlay: {
    readonly lowers: readonly string[]
    readonly upper: string
    readonly work: string
    readonly user: boolean
  } | null
  /** Files of secrets: on this machine (in memory), and in the image. */
  readonly files: readonly { readonly from: string; readonly to: string }[]
  /** Paths that its root user must not write: those of os/proc-guard.ts where that user is the machine's root, else none. */
  readonly readOnly: readonly string[]
}

export const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'] as const

/** The mounts of a replica as fstab(5) text. */
export function mountTable({ root, overlay, files, readOnly }: MountTable): string {
  const line = (source: string, at: string, type: string, options: string) =>
    `${octal(source)} ${octal(`${root}${at}`)} ${type} ${options} 0 0\n`
  const top =
    overlay === null
      ? line(root, '', 'none', 'bind')
      : line(
          'overlay',
          '',
          'overlay',
          `lowerdir=${overlay.lowers.join(':')},upperdir=${overlay.upper},workdir=${overlay.work}${overlay.user ? ',userxattr' : ''}`,
        )
  return [
    top,
    ...DEVICES.map((name) => line(`/dev/${name}`, `/dev/${name}`, 'none', 'bind')),
    line('shm', '/dev/shm', 'tmpfs', 'nosuid,nodev,noexec,mode=1777,size=64m'),
    line('proc', '/proc', 'proc', 'nosuid,nodev,noexec'),
    ...readOnly.map((path) => line(path, path, 'none', 'bind,ro,nosuid,nodev,noexec')),
    ...files.map(({ from, to }) => line(from, to, 'none', 'bind')),
  ].join('')
}

/** Blanks, backslashes and `#` are written as octal numbers (fstab(5)). */
const octal = (path: string): string =>
  path.replace(/[\s\\#]/g, (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, '0')}`)
