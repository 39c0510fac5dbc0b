import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

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

/** Looks for them in PATH and where distributions put them: an ordinary user's PATH often lacks sbin. */
export function findTools(path: string): Tools {
  const folders = [...path.split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].filter((folder) =>
    folder.startsWith('/'),
  )
  const find = (name: string): string | null => folders.map((folder) => join(folder, name)).find(isExecutable) ?? null
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

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The environment of these tools: nothing of the image, of the app or of the caller. */
export const TOOL_ENV: Readonly<Record<string, string>> = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }
