import { DeployError } from '../model/failure.ts'
import type { Mirror } from './git-mirror.ts'
import type { GitCall, GitProgram } from './git-program.ts'
import type { SourceTree } from './source.ts'

const MOST_BYTES = 2 ** 20

/**
 * A file of an open tree as text, and closes the tree. null: there is none. `unknown`: a link may lead to it, which git has to
 * follow. Throws SOURCE_PATH_INVALID for a file of more than 1 MiB.
 */
export async function readListed(tree: SourceTree, path: string): Promise<string | null | 'unknown'> {
  try {
    const entry = tree.entries.find((one) => one.path === path)
    if (entry === undefined) return tree.entries.some(({ kind }) => kind === 'symlink') ? 'unknown' : null
    if (entry.kind === 'symlink') return 'unknown'
    const parts: Uint8Array[] = []
    await tree.read([entry.id], (_, size) => {
      checkSize(path, size)
      return (part) => parts.push(part)
    })
    return Buffer.concat(parts).toString('utf8')
  } finally {
    await tree.close()
  }
}

/**
 * A file of a commit as text, or null when it has none. Symlinks are followed inside the commit only. Throws
 * SOURCE_PATH_INVALID for a path that leaves the commit, a symlink that does, and a file of more than 1 MiB.
 */
export async function readBlob(
  git: GitProgram,
  mirror: Mirror,
  source: { readonly commit: string; readonly url: string },
  path: string,
  signal: AbortSignal,
): Promise<string | null> {
  const call: GitCall = { url: source.url, doing: `reading ${path}`, env: { GIT_DIR: mirror.gitDir } }
  const question = `${source.commit}:${path}\n`
  const answer = await git.call(
    ['cat-file', '--batch-check', '--follow-symlinks'],
    { ...call, input: question },
    signal,
  )
  const first = answer.split('\n')[0] ?? ''
  if (/^symlink \d+$/.test(first)) throw invalid(path, 'is a symlink that leads out of the repository')
  const [, id, type, size] = /^([0-9a-f]+) (\w+) (\d+)$/.exec(first) ?? []
  if (id === undefined || type !== 'blob') return null
  checkSize(path, Number(size))
  return git.call(['cat-file', 'blob', id], call, signal)
}

/** Throws SOURCE_PATH_INVALID for what is no path inside a repository. */
export function checkPath(path: string): void {
  const parts = path.split('/')
  if (path === '' || /\p{Cc}/u.test(path) || parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw invalid(path, 'is no path inside the repository')
  }
}

function checkSize(path: string, size: number): void {
  if (size > MOST_BYTES) throw invalid(path, `has ${size} bytes, and at most ${MOST_BYTES} are read`)
}

function invalid(path: string, why: string): DeployError {
  return new DeployError('SOURCE_PATH_INVALID', `${JSON.stringify(path.slice(0, 200))} ${why}`, {
    hint: 'Give a path relative to the root of the repository, without . and .. in it.',
  })
}
