import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Mirror, Scratch } from './git-mirror.ts'
import type { GitCall, GitProgram } from './git-program.ts'

/** A submodule of a commit: where it stands and which commit it is. */
export interface Gitlink {
  readonly path: string
  readonly commit: string
}

/**
 * Writes a commit into an empty folder by git's own code, which never writes through a symlink and refuses names such as
 * .git (A3). Attributes of the commit are switched off by the mirror's info/attributes, so each file has the commit's bytes.
 */
export async function checkOut(
  git: GitProgram,
  mirror: Mirror,
  scratch: Scratch,
  source: { readonly commit: string; readonly url: string },
  into: string,
  signal: AbortSignal,
): Promise<readonly Gitlink[]> {
  if ((await readdir(into)).length > 0) throw new Error(`the folder for a work tree is not empty: ${into}`)
  const call: GitCall = {
    url: source.url,
    doing: `laying out ${source.commit.slice(0, 12)}`,
    cwd: into,
    env: { GIT_DIR: mirror.gitDir, GIT_WORK_TREE: into, GIT_INDEX_FILE: join(scratch.gitDir, 'index') },
    timeoutMs: 10 * 60_000,
    maxOutputBytes: 256 * 2 ** 20,
  }
  await git.call(['read-tree', source.commit], call, signal)
  await git.call(['checkout-index', '--all'], call, signal)
  const staged = await git.call(['ls-files', '--stage', '-z'], call, signal)
  return staged.split('\0').flatMap((line) => {
    const [, commit, path] = /^160000 ([0-9a-f]+) 0\t(.+)$/s.exec(line) ?? []
    return commit === undefined || path === undefined ? [] : [{ path, commit }]
  })
}
