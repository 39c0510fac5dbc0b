import { readdir, statfs } from 'node:fs/promises'
import { DeployError } from '../model/failure.ts'
import { gitFailure } from './git-failure.ts'
import type { Mirror } from './git-mirror.ts'
import type { GitCall, GitProgram } from './git-program.ts'

/** A submodule of a commit: where it stands and which commit it is. */
export interface Gitlink {
  readonly path: string
  readonly commit: string
}

export interface Checkout {
  readonly mirror: Mirror
  /** Path for a temporary index. */
  readonly index: string
  readonly source: { readonly commit: string; readonly url: string }
  /** An empty folder. */
  readonly into: string
}

/**
 * Writes a commit into an empty folder by git's own code, which never writes through a symlink and refuses names such as
 * .git (A3). Attributes of the commit are switched off by the mirror's info/attributes, so each file has the commit's bytes.
 */
export async function checkOut(git: GitProgram, checkout: Checkout, signal: AbortSignal): Promise<readonly Gitlink[]> {
  const { mirror, index, source, into } = checkout
  if ((await readdir(into)).length > 0) throw new Error(`the folder for a work tree is not empty: ${into}`)
  const call: GitCall = {
    url: source.url,
    doing: `laying out ${source.commit.slice(0, 12)}`,
    cwd: into,
    env: { GIT_DIR: mirror.gitDir, GIT_WORK_TREE: into, GIT_INDEX_FILE: index },
    timeoutMs: 10 * 60_000,
    maxOutputBytes: 512 * 2 ** 20,
  }
  await git.call(['read-tree', source.commit], call, signal)
  const committed = await git.call(['ls-tree', '-r', '-z', '--full-tree', source.commit], call, signal)
  const staged = await git.call(['ls-files', '--stage', '-z'], call, signal)
  checkSame(committed, staged, source)
  await writeFiles(git, call, into, signal)
  return staged.split('\0').flatMap((line) => {
    const [, commit, path] = /^160000 ([0-9a-f]+) 0\t(.+)$/s.exec(line) ?? []
    return commit === undefined || path === undefined ? [] : [{ path, commit }]
  })
}

async function writeFiles(git: GitProgram, call: GitCall, into: string, signal: AbortSignal): Promise<void> {
  const { code, stderr, timedOut } = await git.try(['checkout-index', '--all'], call, signal)
  if (code === 0) return
  // git says "unable to write file" without the reason.
  const room = await statfs(into)
  const full = room.bavail === 0 || (room.files > 0 && room.ffree === 0)
  const said = full ? `${stderr}\nNo space left on device` : stderr
  throw gitFailure(said, call.url, call.doing, timedOut ? (call.timeoutMs ?? 0) : null)
}

/**
 * Of two entries of one name (a symlink, and a folder to be written through it) git takes one without a word: then the work
 * tree would not be the commit. No honest tree has such.
 */
function checkSame(committed: string, staged: string, source: { readonly commit: string; readonly url: string }): void {
  const entries = (list: string, pattern: RegExp) => list.replace(pattern, '$1\t')
  // `mode type id\tpath` and `mode id stage\tpath`; old modes (100664) are not compared.
  const [wanted, got] = [
    entries(committed, /(?<=^|\0)\d+ \w+ ([0-9a-f]+)\t/g),
    entries(staged, /(?<=^|\0)\d+ ([0-9a-f]+) \d\t/g),
  ]
  if (wanted === got) return
  throw new DeployError(
    'SOURCE_PATH_INVALID',
    `the commit ${source.commit.slice(0, 12)} of ${source.url} has two files of one name`,
    {
      hint: 'Such a commit is not made by git itself: find out who made it, and remove one of them.',
    },
  )
}
