import { DeployError } from '../../model/failure.ts'
import { findProgram, toolFolders } from '../../os/find-program.ts'

/** Programs of this machine that make sandboxes. All but the last four are of util-linux, GNU tar, coreutils and findutils. */
const NAMES = ['unshare', 'setpriv', 'mount', 'tar', 'touch', 'xargs', 'newuidmap', 'hostname', 'runc', 'crun'] as const
export type ToolName = (typeof NAMES)[number]
export type Tools = Readonly<Record<ToolName, string | null>>

/** The environment of these programs: nothing of the image, of the build or of the caller. Names of files are UTF-8. */
export const TOOL_ENV: Readonly<Record<string, string>> = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' }

/** Looks for them in PATH and where distributions put them. */
export function findTools(path: string): Tools {
  const folders = toolFolders(path)
  return Object.fromEntries(NAMES.map((name) => [name, findProgram(name, folders)])) as Record<ToolName, string | null>
}

/** The absolute path of a tool. Throws ISOLATION_UNAVAILABLE when it is not there. */
export function tool(tools: Tools, name: ToolName): string {
  const path = tools[name]
  if (path !== null) return path
  throw new DeployError('ISOLATION_UNAVAILABLE', `RUN needs the program ${name}, which is not on this machine`, {
    hint: 'Install util-linux, coreutils, findutils and GNU tar, then run the same command again. Nothing was pushed.',
    detail: { program: name },
  })
}
