import { rm } from 'node:fs/promises'
import { DeployError } from '../../model/failure.ts'
import { run } from '../../os/run.ts'
import { subordinateProblem } from './subordinate-ids.ts'
import { TOOL_ENV, type Tools, tool } from './tools.ts'

/** How programs get the rights over an image's files: as they are for root, by a user namespace for an ordinary user. */
export interface Privileges {
  readonly tools: Tools
  /** In a user namespace: overlays keep their marks in attributes that a user may set, and files of an image belong to subordinate ids. */
  readonly userNamespace: boolean
  /** The command with these rights: program and arguments. It ends when this process does. Throws ISOLATION_UNAVAILABLE where they cannot be had. */
  command(args: readonly string[]): readonly [string, readonly string[]]
  /** Removes a folder whose files may belong to users of an image. */
  remove(path: string, signal: AbortSignal): Promise<void>
}

const REMOVE_MS = 600_000

/** What this process may do for a RUN. */
export function findPrivileges(tools: Tools): Privileges {
  const ending = () => [tool(tools, 'setpriv'), '--pdeathsig', 'KILL', '--']
  if (process.geteuid?.() === 0) {
    return {
      tools,
      userNamespace: false,
      command: (args) => split([...ending(), ...args]),
      remove: (path) => rm(path, { recursive: true, force: true }),
    }
  }
  const command = (args: readonly string[]) => {
    const problem = subordinateProblem() ?? (tools.newuidmap === null ? 'there is no newuidmap' : null)
    if (problem !== null) throw unavailable(problem)
    const namespace = [tool(tools, 'unshare'), '--user', '--map-auto', '--map-root-user', '--']
    // Twice: new rights in the namespace make the kernel forget it.
    return split([...ending(), ...namespace, ...ending(), ...args])
  }
  return { tools, userNamespace: true, command, remove: (path, signal) => removeAs(command, path, signal) }
}

function split([program = '', ...args]: readonly string[]): readonly [string, readonly string[]] {
  return [program, args]
}

async function removeAs(command: Privileges['command'], path: string, signal: AbortSignal): Promise<void> {
  const [program, args] = command(['rm', '-rf', '--', path])
  const { code, stderr } = await run(program, args, { env: TOOL_ENV, cwd: '/', timeoutMs: REMOVE_MS, signal })
  if (code !== 0) throw new Error(`rm ended with ${code}: ${stderr.trim().slice(-400)}`)
}

function unavailable(problem: string): DeployError {
  return new DeployError(
    'ISOLATION_UNAVAILABLE',
    `RUN needs root, or a user namespace with subordinate ids: ${problem}`,
    {
      hint: 'Nothing was pushed. As root, once: apt-get install uidmap; usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER. Or run the command on the host (build.run).',
    },
  )
}
