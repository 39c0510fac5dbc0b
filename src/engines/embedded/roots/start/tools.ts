import { findProgram, toolFolders } from '../../../../os/find-program.ts'

/** Absolute paths of the programs of util-linux and coreutils that start replicas; null: not on this machine. */
export interface Tools {
  readonly unshare: string | null
  readonly nsenter: string | null
  readonly setpriv: string | null
  readonly mount: string | null
  /** The shell of POSIX, and its env. */
  readonly sh: string | null
  readonly env: string | null
  readonly mknod: string | null
}

/** Looks for them in PATH and where distributions put them. */
export function findTools(path: string): Tools {
  const folders = toolFolders(path)
  const find = (name: string): string | null => findProgram(name, folders)
  return {
    unshare: find('unshare'),
    nsenter: find('nsenter'),
    setpriv: find('setpriv'),
    mount: find('mount'),
    sh: find('sh'),
    env: find('env'),
    mknod: find('mknod'),
  }
}

/** The environment of these tools: nothing of the image, of the app or of the caller. */
export const TOOL_ENV: Readonly<Record<string, string>> = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }
