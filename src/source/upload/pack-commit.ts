import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { diskFull } from '../../model/disk-full.ts'
import { DeployError } from '../../model/failure.ts'
import { formatOf, makeMirror, mirrorOf, type Scratch, scratchFor } from '../git-mirror.ts'
import { readLocal } from '../git-local.ts'
import { saysNoSpace } from '../git-failure.ts'
import { GitProgram } from '../git-program.ts'

export interface PackOptions {
  /** As that of the git source; the pack is made there, and removed. */
  readonly cacheFolder: string
  readonly env: Readonly<Record<string, string | undefined>>
}

/** A commit as a file that can be sent, as often as it takes. It is deleted when it is disposed. */
export interface CommitPack extends AsyncDisposable {
  readonly bytes: number
  open(): Readable
}

const MAKING_MS = 10 * 60_000

/**
 * Packs one commit of a local repository: the commit, its folders and its files, without its history, and without what those
 * of `kept` have that the repository knows too. Nothing of the repository is changed, and nothing of its settings is used.
 * Throws SOURCE_*.
 */
export async function packCommit(
  { cacheFolder, env }: PackOptions,
  path: string,
  commit: string,
  kept: readonly string[],
  signal: AbortSignal,
): Promise<CommitPack> {
  const git = new GitProgram(env)
  const local = await readLocal(git, path, 'none', signal)
  const mirror = mirrorOf(cacheFolder, path, formatOf(commit))
  await makeMirror(mirror, [local.objects]).catch(noRoom)
  const scratch = await scratchFor(mirror, commit).catch(noRoom)
  try {
    const revisions = [commit, ...(await knownTrees(git, scratch, kept, signal)).map((tree) => `^${tree}`)]
    const name = await writePack(git, scratch, path, revisions, signal)
    const file = join(scratch.gitDir, `out-${name}.pack`)
    return {
      bytes: (await stat(file)).size,
      open: () => createReadStream(file),
      [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose](),
    }
  } catch (failed) {
    await scratch[Symbol.asyncDispose]()
    throw failed
  }
}

/** The trees of those commits that are in the repository: a commit alone would hide only its history. */
async function knownTrees(
  git: GitProgram,
  scratch: Scratch,
  kept: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (kept.length === 0) return []
  const input = kept.map((commit) => `${commit}^{tree}\n`).join('')
  const call = { url: 'the repository', doing: 'looking for what need not be sent', env: { GIT_DIR: scratch.gitDir } }
  const answer = await git.call(['cat-file', '--batch-check'], { ...call, input }, signal)
  return answer.split('\n').flatMap((line) => /^([0-9a-f]+) tree \d+$/.exec(line)?.[1] ?? [])
}

async function writePack(
  git: GitProgram,
  scratch: Scratch,
  path: string,
  revisions: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const call = {
    url: path,
    doing: `packing ${revisions[0]?.slice(0, 12)}`,
    env: { GIT_DIR: scratch.gitDir },
    input: `${revisions.join('\n')}\n`,
    timeoutMs: MAKING_MS,
  }
  const base = join(scratch.gitDir, 'out')
  const { code, stdout, stderr, timedOut } = await git.try(['pack-objects', '-q', '--revs', base], call, signal)
  if (code === 0) return stdout.trim()
  throw failure(stderr, path, timedOut)
}

function failure(stderr: string, path: string, timedOut: boolean): unknown {
  const said = (/^(?:fatal|error): (.*)$/m.exec(stderr)?.[1] ?? 'git does not say why')
    .replace(/\p{Cc}/gu, ' ')
    .slice(0, 200)
  if (saysNoSpace(stderr)) {
    return diskFull(Object.assign(new Error(said), { code: 'ENOSPC' }), 'packing the commit')
  }
  if (timedOut) return failed(`packing the commit of ${path} took more than ${MAKING_MS / 1000} s`, 'Try again.', said)
  return failed(
    `${path} does not have all files of the commit: ${said}`,
    'A partial clone (--filter) lacks files on purpose: clone without a filter, or write source: { git: URL } into naru.yaml. Else look with: git fsck.',
    said,
  )
}

const failed = (message: string, hint: string, said: string) =>
  new DeployError('SOURCE_FETCH_FAILED', message, { hint: `Nothing was sent. ${hint}`, detail: { said } })

const noRoom = (thrown: unknown): never => {
  throw diskFull(thrown, 'packing the commit')
}
