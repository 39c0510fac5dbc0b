import type { Mirror } from '../git-mirror.ts'
import type { GitProgram } from '../git-program.ts'
import type { SourceTree } from '../source.ts'
import { BlobReader } from './blob-reader.ts'
import { treeEntries } from './tree-entries.ts'

/** The files of a commit, read from the repository itself; null: git's checkout has to lay them out (see tree-entries.ts). */
export async function openTree(
  git: GitProgram,
  mirror: Mirror,
  source: { readonly commit: string; readonly url: string },
  signal: AbortSignal,
): Promise<SourceTree | null> {
  const call = {
    url: source.url,
    doing: `reading ${source.commit.slice(0, 12)}`,
    env: { GIT_DIR: mirror.gitDir },
    maxOutputBytes: 512 * 2 ** 20,
  }
  // Started first: it is ready when the list is.
  const reader = new BlobReader(git, call, signal)
  try {
    const listed = await git.call(['ls-tree', '-r', '-z', '--full-tree', source.commit], call, signal)
    const entries = treeEntries(listed)
    if (entries !== null) return { entries, read: (ids, take) => reader.read(ids, take), close: () => reader.close() }
  } catch (failed) {
    await reader.close()
    throw failed
  }
  await reader.close()
  return null
}
