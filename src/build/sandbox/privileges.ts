import { rm } from 'node:fs/promises'
import { DeployError } from '../../model/failure.ts'
import { type Tools, tool } from './tools.ts'

/** How programs get the rights over an image's files: as they are for root, by a user namespace for an ordinary user. */
export interface Privileges {
  readonly tools: Tools
  /** In a user namespace: overlays keep their marks in attributes that a user may set. */
  readonly userNamespace: boolean
  /** The command with these rights: program and arguments. Throws ISOLATION_UNAVAILABLE where they cannot be had. */
  command(args: readonly string[]): readonly [string, readonly string[]]
  /** Removes a folder whose files may belong to users of an image. */
  remove(path: string, signal: AbortSignal): Promise<void>
}

/** What this process may do for a RUN. */
export function findPrivileges(tools: Tools): Privileges {
  return {
    tools,
    userNamespace: false,
    command: (args) => {
      if (process.geteuid?.() !== 0) throw needsRoot()
      return [tool(tools, 'setpriv'), ['--pdeathsig', 'KILL', '--', ...args]]
    },
    remove: (path) => rm(path, { recursive: true, force: true }),
  }
}

function needsRoot(): DeployError {
  return new DeployError('ISOLATION_UNAVAILABLE', 'RUN needs root on this machine', {
    hint: 'Nothing was pushed. Run the server as root, or run the command on the host before the image (build.run).',
  })
}
