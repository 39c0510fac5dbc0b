import { DeployError } from '../model/failure.ts'
import { gitFailure } from './git-failure.ts'
import { hasCommit, keepCommit, makeMirror, makeScratch, type Mirror, tidyMirror } from './git-mirror.ts'
import type { GitCall, GitProgram } from './git-program.ts'
import { type GitRef, refCandidates, shortIdAmbiguous } from './git-ref.ts'
import type { GitPlace } from './git-url.ts'

export type RemotePlace = Extract<GitPlace, { kind: 'remote' }>
export type Settings = readonly (readonly [key: string, value: string])[]

/** A repository behind https or ssh, and with what git asks it. */
export interface Remote {
  readonly git: GitProgram
  readonly place: RemotePlace
  /** The user's credential helpers and certificates, and what stood in the URL. */
  readonly settings: Settings
  readonly fetchTimeoutMs: number
}

const LISTING_TIMEOUT_MS = 60_000

/** The refs that a name may stand for, or with null HEAD; with 'all' every branch and tag. Tags are peeled. */
export async function remoteRefs(
  remote: Remote,
  ref: string | null | 'all',
  signal: AbortSignal,
): Promise<readonly GitRef[]> {
  const names = ref === 'all' ? [] : refCandidates(ref ?? 'HEAD').flatMap((name) => [name, `${name}^{}`])
  const flags = ref === 'all' ? ['--heads', '--tags'] : []
  const text = await remote.git.call(
    ['ls-remote', '--quiet', ...flags, '--end-of-options', remote.place.url, ...names],
    callOf(remote, 'listing branches and tags', { timeoutMs: LISTING_TIMEOUT_MS, maxOutputBytes: 256 * 2 ** 20 }),
    signal,
  )
  const refs = parseListing(text)
  // A pattern of ls-remote also fits the end of longer names.
  return ref === 'all' ? refs : refs.filter(({ name }) => names.includes(name))
}

/** Brings a commit with its files, without history, into the mirror, unless it is there. */
export async function fetchCommit(remote: Remote, mirror: Mirror, commit: string, signal: AbortSignal): Promise<void> {
  await makeMirror(mirror, [])
  if (await hasCommit(mirror, commit)) return
  await using scratch = await makeScratch(mirror, true)
  const call = callOf(remote, `fetching ${commit.slice(0, 12)}`, fetchOptions(remote, scratch.gitDir))
  const args = ['fetch', '--quiet', '--depth=1', ...PLAIN_FETCH, '--end-of-options', remote.place.url, commit]
  const result = await remote.git.try(args, call, signal)
  if (result.code === 0) {
    await keepCommit(scratch, mirror, commit)
    return await tidyMirror(remote.git, mirror, remote.place.url, signal)
  }
  if (/not our ref|unadvertised object|Server does not allow/i.test(result.stderr)) {
    return await fetchByHistory(remote, mirror, commit, signal)
  }
  throw gitFailure(result.stderr, remote.place.url, call.doing, result.timedOut ? remote.fetchTimeoutMs : null)
}

/** An old server gives only what it lists: everything is fetched once, and the commit looked for. */
async function fetchByHistory(remote: Remote, mirror: Mirror, commit: string, signal: AbortSignal): Promise<void> {
  await using scratch = await makeScratch(mirror, false)
  await fetchEverything(remote, scratch.gitDir, [], signal)
  const call = callOf(remote, 'looking for the commit', { env: { GIT_DIR: scratch.gitDir } })
  const found = await remote.git.try(['cat-file', '-e', commit], call, signal)
  // Awaited here: the scratch is deleted when this function is left.
  if (found.code === 0) return await keepCommit(scratch, mirror, commit)
  throw new DeployError('SOURCE_REF_NOT_FOUND', `${remote.place.url} does not have the commit ${commit}`, {
    hint: 'Has it been pushed?',
  })
}

/** The full id of the commit that starts so, or null. Only commits travel, no files (where the server can do that). */
export async function findByPrefix(
  remote: Remote,
  mirror: Mirror,
  prefix: string,
  signal: AbortSignal,
): Promise<string | null> {
  await makeMirror(mirror, [])
  await using scratch = await makeScratch(mirror, false)
  await fetchEverything(remote, scratch.gitDir, ['--filter=tree:0'], signal)
  return await commitByPrefix(remote.git, scratch.gitDir, prefix, remote.place.url, signal)
}

/** The one commit of a repository that starts so, or null. Throws SOURCE_REF_INVALID when there are several. */
export async function commitByPrefix(
  git: GitProgram,
  gitDir: string,
  prefix: string,
  url: string,
  signal: AbortSignal,
): Promise<string | null> {
  const call: GitCall = { url, doing: 'looking for the commit', env: { GIT_DIR: gitDir } }
  const result = await git.try(['rev-parse', '--verify', '--end-of-options', `${prefix}^{commit}`], call, signal)
  if (result.code === 0) return result.stdout.trim().split('\n').at(-1) ?? null
  if (/is ambiguous/.test(result.stderr)) throw shortIdAmbiguous(prefix, url)
  if (/Needed a single revision/.test(result.stderr)) return null
  throw gitFailure(result.stderr, url, call.doing, null)
}

async function fetchEverything(
  remote: Remote,
  gitDir: string,
  flags: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const refs = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*']
  await remote.git.call(
    ['fetch', '--quiet', ...flags, ...PLAIN_FETCH, '--end-of-options', remote.place.url, ...refs],
    callOf(remote, 'fetching the history', fetchOptions(remote, gitDir)),
    signal,
  )
}

const PLAIN_FETCH = ['--no-tags', '--no-write-fetch-head', '--no-recurse-submodules', '--no-auto-maintenance'] as const

const fetchOptions = (remote: Remote, gitDir: string) => ({
  env: { GIT_DIR: gitDir },
  timeoutMs: remote.fetchTimeoutMs,
})

const callOf = (remote: Remote, doing: string, more: Partial<GitCall>): GitCall => ({
  ...more,
  url: remote.place.url,
  doing,
  secretSettings: remote.settings,
})

/** `<id>\t<name>` per line; the commit of an annotated tag stands under `<name>^{}` and takes its place. */
export function parseListing(text: string): readonly GitRef[] {
  const commits = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, commit, name] = /^([0-9a-f]{40}|[0-9a-f]{64})\t(\S+)$/.exec(line) ?? []
    if (commit !== undefined && name !== undefined) commits.set(name.replace(/\^\{\}$/, ''), commit)
  }
  return [...commits].map(([name, commit]) => ({ name, commit }))
}
