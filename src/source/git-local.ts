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
 * belong to another user (a server and a folder of git's user). `wanted`: which refs are looked for; to start a program takes
 * longer than its work.
 */
export async function readLocal(
  git: GitProgram,
  path: string,
  wanted: 'none' | 'head' | 'all',
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
  const where = ['rev-parse', '--path-format=absolute', '--git-path', 'objects', '--show-object-format']
  if (wanted === 'head') {
    const { code, stdout } = await git.try(['-c', 'safe.directory=*', ...where, 'HEAD'], call, signal)
    const [objects = '', format, head = ''] = stdout.trimEnd().split('\n')
    // Without a commit there, the branches are asked for, to say what there is.
    if (code === 0) return { objects, format: formatNamed(format), refs: [{ name: 'HEAD', commit: head }] }
  }
  const [answer, refs] = await Promise.all([ask(...where), wanted === 'none' ? [] : allRefs(git, call, ask, signal)])
  const [objects = '', format] = answer.trimEnd().split('\n')
  return { objects, format: formatNamed(format), refs }
}

const formatNamed = (name: string | undefined): ObjectFormat => (name === 'sha256' ? 'sha256' : 'sha1')

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
