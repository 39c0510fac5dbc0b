import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DeployError } from '../model/failure.ts'
import type { ObjectFormat } from './git-mirror.ts'
import type { GitCall, GitProgram } from './git-program.ts'
import type { GitRef } from './git-ref.ts'

/** A repository of this machine. Its objects are read in place; nothing is copied, and nothing of its settings or hooks is used. */
export interface LocalRepository {
  readonly objects: string
  readonly format: ObjectFormat
  readonly refs: readonly GitRef[]
}

/**
 * Reads a bare repository or one with a work tree. The two commands that are asked inside it start no programs, so it may
 * belong to another user (a server and a folder of git's user). `isId`: what is asked for is a full id, and the refs stay empty.
 */
export async function readLocal(
  git: GitProgram,
  path: string,
  { isId }: { readonly isId: boolean },
  signal: AbortSignal,
): Promise<LocalRepository> {
  const folder = await realpath(path).catch(() => null)
  if (folder === null || !(await stat(folder)).isDirectory()) throw notThere(path)
  const call: GitCall = {
    url: path,
    doing: 'reading the repository',
    cwd: folder,
    discover: true,
    // Found here or not at all: a repository further up is another one.
    env: { GIT_CEILING_DIRECTORIES: dirname(folder) },
    maxOutputBytes: 256 * 2 ** 20,
  }
  const ask = (...args: string[]) => git.call(['-c', 'safe.directory=*', ...args], call, signal)
  const where = ask('rev-parse', '--path-format=absolute', '--git-path', 'objects', '--show-object-format')
  // Nobody looks for names who has the whole id.
  const [answer, refs] = await Promise.all([where, isId ? [] : allRefs(git, call, ask, signal)])
  const [objects = '', format] = answer.trimEnd().split('\n')
  return {
    objects,
    format: format === 'sha256' ? 'sha256' : 'sha1',
    refs,
  }
}

/** HEAD, where it has a commit, and all branches and tags. */
async function allRefs(
  git: GitProgram,
  call: GitCall,
  ask: (...args: string[]) => Promise<string>,
  signal: AbortSignal,
): Promise<readonly GitRef[]> {
  const [refs, head] = await Promise.all([
    ask('for-each-ref', '--format=%(refname) %(objectname) %(*objectname)'),
    git.try(['-c', 'safe.directory=*', 'rev-parse', '--verify', '--quiet', 'HEAD'], call, signal),
  ])
  return [...(head.code === 0 ? [{ name: 'HEAD', commit: head.stdout.trim() }] : []), ...parseRefs(refs)]
}

function parseRefs(text: string): readonly GitRef[] {
  return text.split('\n').flatMap((line) => {
    const [name, id, peeled] = line.split(' ')
    const commit = peeled === undefined || peeled === '' ? id : peeled
    return name === undefined || commit === undefined ? [] : [{ name, commit }]
  })
}

function notThere(path: string): DeployError {
  return new DeployError('SOURCE_NOT_FOUND', `there is no folder ${path}`, {
    hint: 'Give the folder of a git repository (bare, or with a work tree) on the machine where the server runs.',
  })
}
