import { join } from 'node:path'
import { DeployError } from '../model/failure.ts'
import { checkOut } from './git-checkout.ts'
import { gitFailure } from './git-failure.ts'
import { readLocal } from './git-local.ts'
import {
  dropMirror,
  formatOf,
  hasCommit,
  isMade,
  makeMirror,
  type Mirror,
  mirrorOf,
  scratchFolder,
  uploadMirror,
  useCommit,
} from './git-mirror.ts'
import { GitProgram } from './git-program.ts'
import { checkRef, type GitRef, isCommitId, meaningOf, refNotFound } from './git-ref.ts'
import { commitByPrefix, fetchCommit, findByPrefix, type Remote, type RemotePlace, remoteRefs } from './git-remote.ts'
import { parseGitUrl } from './git-url.ts'
import { remoteSettings } from './git-user-settings.ts'
import { checkPath, readBlob, readListed } from './git-blob.ts'
import { checkOutSubmodules } from './git-submodules.ts'
import { findCommit, type FoundCommit } from './objects/find-commit.ts'
import { KeptReaders } from './objects/kept-readers.ts'
import { readInPlace } from './refs-in-place.ts'
import type { AskedSource, ResolvedSource, Source, SourceTree } from './source.ts'
import { openTree } from './tree/open-tree.ts'
import { TreeLists } from './tree/tree-lists.ts'
import { notSent, shownName, submodulesNotSent } from './upload/refusals.ts'

/** Where mirrors are kept and how git is called. */
export interface GitSourceOptions {
  /** Where mirrors are kept between deploys; made when it is missing, for this user only. */
  readonly cacheFolder: string
  /** The caller's environment; what git, ssh and curl need is taken from it (git-program.ts), nothing else. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Longest time of one fetch. Default 10 minutes. */
  readonly fetchTimeoutMs?: number
}

/** The port `Source` by the git program: https, ssh, `user@host:path`, or an absolute path. */
export function gitSource(options: GitSourceOptions): Source {
  return new GitSource(options)
}

class GitSource implements Source {
  readonly #options: GitSourceOptions
  readonly #git: GitProgram
  readonly #readers: KeptReaders
  readonly #lists = new TreeLists()
  /** Mirrors of local repositories that are whole, and where they find objects. */
  readonly #made = new Map<string, string>()

  constructor(options: GitSourceOptions) {
    this.#options = options
    this.#git = new GitProgram(options.env)
    this.#readers = new KeptReaders(this.#git)
  }

  async resolve(settings: AskedSource, signal: AbortSignal): Promise<ResolvedSource> {
    if (settings.upload !== undefined) return this.#findUpload(settings, settings.upload, signal)
    const place = parseGitUrl(settings.url)
    const ref = settings.ref === null ? null : checkRef(settings.ref)
    const { mirror, commit } =
      place.kind === 'local'
        ? await this.#findLocal(place.path, ref, signal)
        : await this.#findRemote(place, ref, signal)
    return this.#describe(mirror, commit, { ref, url: place.url, isUpload: false }, signal)
  }

  async readFile(source: ResolvedSource, path: string, signal: AbortSignal): Promise<string | null> {
    checkPath(path)
    const tree = await this.open(source, signal)
    const found = tree === null ? 'unknown' : await readListed(tree, path)
    if (found !== 'unknown') return found
    const mirror = await this.#mirrorWith(source)
    return this.#reading(mirror, source, () => readBlob(this.#git, mirror, source, path, signal))
  }

  async open(source: ResolvedSource, signal: AbortSignal): Promise<SourceTree | null> {
    const mirror = await this.#mirrorWith(source)
    const call = { url: source.url, doing: `reading ${source.commit.slice(0, 12)}`, signal }
    const store = { readers: this.#readers, lists: this.#lists, gitDir: mirror.gitDir }
    const tree = await this.#reading(mirror, source, async () => {
      const commit = await findCommit(this.#readers, mirror.gitDir, source.commit, call)
      if (typeof commit === 'string') throw gitFailure(`bad object ${source.commit}`, call.url, call.doing, null)
      return openTree(store, commit.tree, call)
    })
    if (tree === null) return null
    return { ...tree, read: (ids, take) => this.#reading(mirror, source, () => tree.read(ids, take)) }
  }

  async checkout(
    source: ResolvedSource,
    into: string,
    options: { readonly submodules: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    await this.#checkoutNested(source, into, options.submodules ? [] : null, signal)
  }

  /** `parents`: URLs of the repositories around this one; null: submodules stay empty folders. */
  async #checkoutNested(
    source: ResolvedSource,
    into: string,
    parents: readonly string[] | null,
    signal: AbortSignal,
  ): Promise<void> {
    const mirror = await this.#mirrorWith(source)
    await using scratch = await scratchFolder(mirror)
    const index = join(scratch.path, 'index')
    const links = await this.#reading(mirror, source, () =>
      checkOut(this.#git, { mirror, index, source, into }, signal),
    )
    if (parents === null || links.length === 0) return
    if (source.isUpload) throw submodulesNotSent(source, links)
    const modules = (await this.readFile(source, '.gitmodules', signal)) ?? ''
    await checkOutSubmodules(
      { git: this.#git, source, into, links, modules, parents },
      signal,
      async (url, commit, folder) => {
        const settings = { kind: 'git', url, ref: commit, folder: '', submodules: true } as const
        const nested = await this.resolve(settings, signal)
        await this.#checkoutNested(nested, folder, [...parents, source.url], signal)
      },
    )
  }

  async #findUpload(settings: AskedSource, commit: string, signal: AbortSignal): Promise<ResolvedSource> {
    if (!isCommitId(commit)) throw refNotFound(commit, settings.url, [])
    const url = shownName(settings.url)
    const ref = settings.ref === null ? null : checkRef(settings.ref)
    const mirror = uploadMirror(this.#options.cacheFolder, formatOf(commit))
    if (!(await useCommit(mirror, commit))) throw notSent(commit, url)
    return this.#describe(mirror, commit, { ref, url, isUpload: true }, signal)
  }

  async #findLocal(path: string, ref: string | null, signal: AbortSignal): Promise<{ mirror: Mirror; commit: string }> {
    const isId = ref !== null && isCommitId(ref.toLowerCase())
    const wanted = ref === null ? 'head' : isId ? 'none' : 'all'
    const local = (await readInPlace(path, ref)) ?? (await readLocal(this.#git, path, wanted, signal))
    const mirror = mirrorOf(this.#options.cacheFolder, path, local.format)
    await this.#makeOnce(mirror, local.objects)
    const meaning = meaningOf(ref, local.refs)
    if (meaning.kind === 'commit') return { mirror, commit: meaning.commit }
    const commit =
      meaning.kind === 'short' ? await commitByPrefix(this.#git, mirror.gitDir, meaning.prefix, path, signal) : null
    if (commit === null) throw refNotFound(ref, path, local.refs)
    return { mirror, commit }
  }

  /** Once for each process: what a loss of power may have left of a mirror is compared then. */
  async #makeOnce(mirror: Mirror, objects: string): Promise<void> {
    if (this.#made.get(mirror.gitDir) === objects && (await isMade(mirror))) return
    await makeMirror(mirror, [objects])
    this.#readers.forget(mirror.gitDir)
    this.#made.set(mirror.gitDir, objects)
  }

  async #findRemote(
    place: RemotePlace,
    ref: string | null,
    signal: AbortSignal,
  ): Promise<{ mirror: Mirror; commit: string }> {
    const remote: Remote = {
      git: this.#git,
      place,
      settings: await remoteSettings(this.#options.env, place, signal),
      fetchTimeoutMs: this.#options.fetchTimeoutMs ?? 10 * 60_000,
    }
    const mirrorFor = (id: string) => mirrorOf(this.#options.cacheFolder, place.url, formatOf(id))
    const refs = ref !== null && isCommitId(ref.toLowerCase()) ? [] : await remoteRefs(remote, ref, signal)
    const commit = await this.#commitOf(remote, ref, refs, mirrorFor, signal)
    const mirror = mirrorFor(commit)
    await fetchCommit(remote, mirror, commit, signal)
    return { mirror, commit }
  }

  async #commitOf(
    remote: Remote,
    ref: string | null,
    refs: readonly GitRef[],
    mirrorFor: (id: string) => Mirror,
    signal: AbortSignal,
  ): Promise<string> {
    const meaning = meaningOf(ref, refs)
    if (meaning.kind === 'commit') return meaning.commit
    const all = await remoteRefs(remote, 'all', signal)
    const mirror = mirrorFor(all[0]?.commit ?? '')
    const found = meaning.kind === 'short' ? await findByPrefix(remote, mirror, meaning.prefix, signal) : null
    if (found === null) throw refNotFound(ref, remote.place.url, all)
    return found
  }

  /** Reads the commit itself; a tag's id leads to its commit. */
  async #describe(
    mirror: Mirror,
    id: string,
    asked: Pick<ResolvedSource, 'ref' | 'url' | 'isUpload'>,
    signal: AbortSignal,
  ): Promise<ResolvedSource> {
    const { ref, url } = asked
    const found = await this.#reading(mirror, asked, () => this.#commitAt(mirror, id, asked, signal))
    if (typeof found !== 'string') {
      return { ...asked, commit: found.id, subject: found.subject, committedAtMs: found.committedAtMs }
    }
    const refs = isReadInPlace(asked) ? (await readLocal(this.#git, url, 'all', signal)).refs : []
    throw refNotFound(ref ?? id, url, refs)
  }

  /** `missing` is an answer where an id was asked for in place: people mistype them. */
  async #commitAt(
    mirror: Mirror,
    id: string,
    { ref, url, isUpload }: Pick<ResolvedSource, 'ref' | 'url' | 'isUpload'>,
    signal: AbortSignal,
  ): Promise<FoundCommit | 'missing' | 'other'> {
    const call = { url, doing: `reading ${id.slice(0, 12)}`, signal }
    const found = await findCommit(this.#readers, mirror.gitDir, id, call)
    const mayMiss = ref?.toLowerCase() === id && isReadInPlace({ url, isUpload })
    if (found === 'missing' && !mayMiss) throw gitFailure(`bad object ${id}`, url, call.doing, null)
    return found
  }

  /**
   * Reading from the mirror of a remote or of uploads asks no network: a failure without a known cause means that the mirror is
   * damaged. It is dropped, and the next call fetches or sends anew.
   */
  async #reading<T>(
    mirror: Mirror,
    source: Pick<ResolvedSource, 'url' | 'isUpload'>,
    read: () => Promise<T>,
  ): Promise<T> {
    try {
      return await read()
    } catch (failed) {
      const damaged = failed instanceof DeployError && failed.code === 'SOURCE_FETCH_FAILED'
      if (!damaged || isReadInPlace(source)) throw failed
      await dropMirror(mirror)
      this.#readers.forget(mirror.gitDir)
      throw new DeployError('SOURCE_FETCH_FAILED', `the cached copy of ${source.url} is damaged, and was dropped`, {
        hint: AGAIN,
        detail: failed.detail,
        cause: failed,
      })
    }
  }

  async #mirrorWith(source: ResolvedSource): Promise<Mirror> {
    const { cacheFolder } = this.#options
    const format = formatOf(source.commit)
    const mirror = source.isUpload
      ? uploadMirror(cacheFolder, format)
      : mirrorOf(cacheFolder, parseGitUrl(source.url).url, format)
    if (isReadInPlace(source) || (await hasCommit(mirror, source.commit))) return mirror
    const said = `${source.commit.slice(0, 12)} of ${source.url} is no longer in the cache`
    throw new DeployError('SOURCE_FETCH_FAILED', said, { hint: AGAIN })
  }
}

const AGAIN = 'Run the same command again: it is fetched anew.'

const isReadInPlace = ({ url, isUpload }: Pick<ResolvedSource, 'url' | 'isUpload'>): boolean =>
  !isUpload && parseGitUrl(url).kind === 'local'
