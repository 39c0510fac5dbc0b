import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { syncFolder, writeFileAtomic, writeFileCached } from '../os/atomic-file.ts'
import { bootId, identify, isAlive } from '../os/process-identity.ts'
import type { GitProgram } from './git-program.ts'

export type ObjectFormat = 'sha1' | 'sha256'

/**
 * What is kept of one repository between deploys: a bare repository that only ever gets whole packs, and one marker per
 * commit that is complete in it. Nothing in it is ever changed in place, so that fetches at once and a kill -9 at any
 * instruction need no lock: each fetch works in a scratch repository of its own, and then moves its packs here.
 */
export interface Mirror {
  readonly folder: string
  readonly gitDir: string
  readonly commits: string
  readonly format: ObjectFormat
}

/** A repository for one fetch, with the mirror's objects behind it. */
export interface Scratch extends AsyncDisposable {
  readonly gitDir: string
}

/** Attributes of the commit must change no byte (filters, line ends, $Id$); this file is stronger than any of the commit's. */
const NO_ATTRIBUTES = '* -text -ident !eol !crlf !filter !working-tree-encoding\n'
/** A scratch folder whose process is gone is swept after this; git may outlive the process that started it. */
const SWEEP_AFTER_MS = 10 * 60_000
/** How many kept commits are told to the other side; more only make the conversation longer. */
const MOST_HAVES = 16

/** How much a mirror keeps. */
export interface MirrorLimits {
  /** It is packed anew beyond this many packs … */
  readonly packs: number
  /** … and this many of its newest commits stay, … */
  readonly commits: number
  /** … besides those that were used within this time. */
  readonly spareMs: number
}

const REMOTE_LIMITS: MirrorLimits = { packs: 48, commits: 32, spareMs: 0 }

export const formatOf = (commit: string): ObjectFormat => (commit.length === 64 ? 'sha256' : 'sha1')

/** Where the mirror of a URL is; whether it is there is another question. */
export function mirrorOf(cacheFolder: string, url: string, format: ObjectFormat): Mirror {
  const key = createHash('sha256').update(url).digest('hex').slice(0, 32)
  const folder = join(cacheFolder, format === 'sha1' ? key : `${key}-${format}`)
  return { folder, gitDir: join(folder, 'repo'), commits: join(folder, 'commits'), format }
}

/** Where the commits are that clients sent. All share one mirror, so that what one of them has is not sent with the next. */
export function uploadMirror(cacheFolder: string, format: ObjectFormat): Mirror {
  const folder = join(cacheFolder, format === 'sha1' ? 'uploads' : `uploads-${format}`)
  return { folder, gitDir: join(folder, 'repo'), commits: join(folder, 'commits'), format }
}

/** Makes what is missing of a mirror. `alternates`: object folders of a local repository, which are read in place. */
export async function makeMirror(mirror: Mirror, alternates: readonly string[]): Promise<void> {
  await mkdir(mirror.commits, { recursive: true, mode: 0o700 })
  await makeRepository(mirror.gitDir, mirror.format, alternates)
}

/** Whether a mirror is there; its last file is made last. */
export const isMade = (mirror: Mirror): Promise<boolean> =>
  stat(join(mirror.gitDir, 'HEAD')).then(
    () => true,
    () => false,
  )

/** Whether the commit with all its files is in the mirror. */
export async function hasCommit(mirror: Mirror, commit: string): Promise<boolean> {
  return stat(join(mirror.commits, commit)).then(
    () => true,
    () => false,
  )
}

/** Whether the commit with all its files is in the mirror; if so, it counts as used now. */
export async function useCommit(mirror: Mirror, commit: string): Promise<boolean> {
  const now = new Date()
  return utimes(join(mirror.commits, commit), now, now).then(
    () => true,
    () => false,
  )
}

/** The commits of a mirror, the last used first. */
export async function keptCommits(mirror: Mirror): Promise<readonly string[]> {
  return (await newestFirst(mirror)).map(({ name }) => name)
}

/**
 * A scratch repository; it is deleted when it is disposed. With `withHaves` it knows the newest kept commits (each was fetched
 * without history, so each is a shallow boundary), and only what differs from them travels.
 */
export async function makeScratch(mirror: Mirror, withHaves: boolean): Promise<Scratch> {
  const haves = withHaves ? (await keptCommits(mirror)).slice(0, MOST_HAVES) : []
  return scratchWith(mirror, (gitDir) => tellCommits(gitDir, haves))
}

/** A scratch repository in which a commit has no history, whether the commit is there yet or not. */
export function scratchFor(mirror: Mirror, commit: string): Promise<Scratch> {
  return scratchWith(mirror, (gitDir) => keepContent(join(gitDir, 'shallow'), `${commit}\n`))
}

async function scratchWith(mirror: Mirror, prepare: (gitDir: string) => Promise<void>): Promise<Scratch> {
  const { path, ...disposable } = await scratchFolder(mirror)
  const gitDir = join(path, 'repo')
  await makeRepository(gitDir, mirror.format, [join(mirror.gitDir, 'objects')])
  await prepare(gitDir)
  return { gitDir, ...disposable }
}

/** An empty folder beside the mirror that names the process that made it; it is deleted when it is disposed. */
export async function scratchFolder(mirror: Mirror): Promise<AsyncDisposable & { readonly path: string }> {
  await sweep(mirror)
  const ticks = identify(process.pid)?.startTicks ?? 0
  const path = join(mirror.folder, `scratch.${process.pid}.${ticks}.${randomBytes(6).toString('hex')}`)
  await mkdir(path, { mode: 0o700 })
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** Moves what a fetch brought into the mirror, durable, and then says that the commit is there. */
export async function keepCommit(scratch: Scratch, mirror: Mirror, commit: string): Promise<void> {
  const from = join(scratch.gitDir, 'objects/pack')
  const to = join(mirror.gitDir, 'objects/pack')
  // A pack counts from the moment its index is there: the index goes last.
  const files = (await readdir(from)).filter((name) => /^pack-[0-9a-f]+\.(pack|rev|idx)$/.test(name))
  const rank = (name: string) => (name.endsWith('.idx') ? 1 : 0)
  for (const name of files.sort((a, b) => rank(a) - rank(b))) await rename(join(from, name), join(to, name))
  await syncFolder(to)
  await writeFileAtomic(join(mirror.commits, commit), '')
}

/**
 * Packs a mirror anew when it has many packs, with the newest commits only. The other ones lose their marker first. Whoever
 * reads or fetches meanwhile is safe: git looks again for packs when an object is missing, and a fetch rests on fewer of the
 * newest commits than are kept.
 */
export async function tidyMirror(
  git: GitProgram,
  mirror: Mirror,
  url: string,
  signal: AbortSignal,
  limits: MirrorLimits = REMOTE_LIMITS,
): Promise<void> {
  const packs = (await readdir(join(mirror.gitDir, 'objects/pack'))).filter((name) => name.endsWith('.idx'))
  if (packs.length <= limits.packs) return
  const commits = await newestFirst(mirror)
  const sparedMs = Date.now() - limits.spareMs
  const kept = commits.filter(({ ms }, place) => place < limits.commits || ms > sparedMs).map(({ name }) => name)
  for (const { name } of commits) if (!kept.includes(name)) await rm(join(mirror.commits, name), { force: true })
  await tellCommits(mirror.gitDir, kept)
  const call = { url, doing: 'packing the cache', env: { GIT_DIR: mirror.gitDir }, timeoutMs: 10 * 60_000 }
  await git.call(['-c', 'repack.writeBitmaps=false', 'repack', '-a', '-d', '-q'], call, signal)
}

/** Forgets a mirror that turned out to be damaged: the next fetch makes it anew. */
export async function dropMirror(mirror: Mirror): Promise<void> {
  const aside = `${mirror.folder}.broken.${randomBytes(6).toString('hex')}`
  await rename(mirror.folder, aside).catch(() => {})
  await rm(aside, { recursive: true, force: true })
}

/** Without fsync: what a loss of power leaves of these few files is compared and written again at the next use. */
async function makeRepository(gitDir: string, format: ObjectFormat, alternates: readonly string[]): Promise<void> {
  for (const folder of ['objects/pack', 'objects/info', 'refs/heads', 'info']) {
    await mkdir(join(gitDir, folder), { recursive: true, mode: 0o700 })
  }
  const config =
    format === 'sha1'
      ? '[core]\n\trepositoryformatversion = 0\n'
      : '[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = sha256\n'
  await keepContent(join(gitDir, 'config'), config)
  await keepContent(join(gitDir, 'info/attributes'), NO_ATTRIBUTES)
  if (alternates.length > 0) {
    await keepContent(join(gitDir, 'objects/info/alternates'), alternates.map((path) => `${path}\n`).join(''))
  }
  // Last, since git takes a folder for a repository when this is there.
  await keepContent(join(gitDir, 'HEAD'), 'ref: refs/heads/none\n')
}

async function keepContent(path: string, content: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => null)) !== content) await writeFileCached(path, content)
}

/** Makes commits known to git: each as a ref, and as a commit without history. */
async function tellCommits(gitDir: string, commits: readonly string[]): Promise<void> {
  if (commits.length === 0) return
  const sorted = [...commits].sort()
  await keepContent(join(gitDir, 'shallow'), sorted.map((commit) => `${commit}\n`).join(''))
  const refs = sorted.map((commit) => `${commit} refs/naru/${commit}\n`).join('')
  await keepContent(join(gitDir, 'packed-refs'), `# pack-refs with: sorted \n${refs}`)
}

async function newestFirst(mirror: Mirror): Promise<{ readonly name: string; readonly ms: number }[]> {
  const names = (await readdir(mirror.commits)).filter((name) => !name.startsWith('.'))
  const dated = await Promise.all(
    names.map(async (name) => ({ name, ms: (await stat(join(mirror.commits, name)).catch(() => null))?.mtimeMs ?? 0 })),
  )
  return dated.sort((a, b) => b.ms - a.ms)
}

/** Deletes scratch folders that a killed process left. */
async function sweep(mirror: Mirror): Promise<void> {
  const boot = bootId()
  for (const name of await readdir(mirror.folder)) {
    const [, pid, ticks] = /^scratch\.(\d+)\.(\d+)\./.exec(name) ?? []
    if (pid === undefined || isAlive({ bootId: boot, pid: Number(pid), startTicks: Number(ticks) })) continue
    const path = join(mirror.folder, name)
    const changedMs = (await stat(path).catch(() => null))?.mtimeMs ?? Date.now()
    if (Date.now() - changedMs > SWEEP_AFTER_MS) await rm(path, { recursive: true, force: true }).catch(() => {})
  }
}
