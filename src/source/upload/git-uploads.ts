import { diskFull } from '../../model/disk-full.ts'
import {
  formatOf,
  keepCommit,
  keptCommits,
  makeMirror,
  type Mirror,
  type MirrorLimits,
  type Scratch,
  scratchFor,
  tidyMirror,
  uploadMirror,
  useCommit,
} from '../git-mirror.ts'
import { type GitCall, GitProgram, TOLERATED } from '../git-program.ts'
import { isCommitId, refNotFound } from '../git-ref.ts'
import type { Uploads } from '../source.ts'
import { Intake } from './intake.ts'
import { notTheCommit, refusedPack } from './refusals.ts'

export interface GitUploadsOptions {
  /** The same as that of the git source, which reads what is kept here. */
  readonly cacheFolder: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** The most that one pack may have. Default 1 GiB. */
  readonly maxBytes?: number
  /** Longest time of one upload with its checks. Default 30 minutes. */
  readonly timeoutMs?: number
  readonly limits?: MirrorLimits
}

/** A deploy reads its commit within minutes of sending it, so within this time nothing goes. */
const LIMITS: MirrorLimits = { packs: 50, commits: 50, spareMs: 60 * 60_000 }
/** Warnings of git's checks count as errors here, as they do in a fetch; so do objects that name missing ones. */
const STRICT = `--strict=${TOLERATED.map((finding) => `${finding}=ignore`).join(',')}`

/** The port `Uploads`: a mirror that is fed by clients. One process at a time may write to it (the server of the data folder). */
export function gitUploads(options: GitUploadsOptions): Uploads {
  return new GitUploads(options)
}

class GitUploads implements Uploads {
  readonly #options: GitUploadsOptions
  readonly #git: GitProgram
  /** Checking, keeping and packing anew take turns: what a commit rests on, or its own pack, would be deleted in between. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: GitUploadsOptions) {
    this.#options = options
    this.#git = new GitProgram(options.env)
  }

  async find(commit: string): Promise<{ readonly isHere: boolean; readonly kept: readonly string[] }> {
    const mirror = this.#mirrorFor(commit)
    await makeMirror(mirror, []).catch(noRoom)
    return { isHere: await useCommit(mirror, commit), kept: (await keptCommits(mirror)).slice(0, LIMITS.commits) }
  }

  async receive(commit: string, pack: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const mirror = this.#mirrorFor(commit)
    await makeMirror(mirror, []).catch(noRoom)
    if (await useCommit(mirror, commit)) return
    await using scratch = await scratchFor(mirror, commit).catch(noRoom)
    await this.#index(scratch, commit, pack, signal)
    await this.#keep(scratch, mirror, commit, signal)
  }

  #mirrorFor(commit: string): Mirror {
    if (!isCommitId(commit)) throw refNotFound(commit, 'the server', [])
    return uploadMirror(this.#options.cacheFolder, formatOf(commit))
  }

  /** Writes the pack to the disk while it arrives, every object checked, and syncs it. */
  async #index(scratch: Scratch, commit: string, pack: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const { maxBytes = 2 ** 30, timeoutMs = 30 * 60_000 } = this.#options
    const intake = new Intake(pack, maxBytes)
    const call = { ...callFor(scratch, commit, 'taking it in'), timeoutMs, input: intake.stream() }
    const result = await this.#git.try(['index-pack', '--stdin', STRICT], call, signal)
    // A pack says itself where it ends: git may be done before the connection has said so.
    if (result.code !== 0) throw refusedPack(commit, result, intake, timeoutMs)
  }

  /** The commit is the one that was announced, since its id is its content; and each tree and file that it names is there. */
  async #checkWhole(scratch: Scratch, commit: string, signal: AbortSignal): Promise<void> {
    const call = { ...callFor(scratch, commit, 'looking for gaps'), timeoutMs: 10 * 60_000 }
    const kind = await this.#git.try(['cat-file', '-t', commit], call, signal)
    if (kind.stdout.trim() !== 'commit') throw notTheCommit(commit, '')
    const walked = await this.#git.try(['rev-list', '--objects', '--quiet', '--end-of-options', commit], call, signal)
    if (walked.code === 0) return
    const said = /^(?:fatal|error): (.*)$/m.exec(walked.stderr)?.[1] ?? 'git does not say what is missing'
    throw notTheCommit(commit, said.replace(/\p{Cc}/gu, ' ').slice(0, 200))
  }

  #keep(scratch: Scratch, mirror: Mirror, commit: string, signal: AbortSignal): Promise<void> {
    const kept = this.#turn.then(async () => {
      await this.#checkWhole(scratch, commit, signal)
      await keepCommit(scratch, mirror, commit).catch(noRoom)
      await tidyMirror(this.#git, mirror, 'the uploads', signal, this.#options.limits ?? LIMITS)
    })
    this.#turn = kept.catch(() => {})
    return kept
  }
}

const callFor = (scratch: Scratch, commit: string, doing: string): GitCall => ({
  url: `what was sent of ${commit.slice(0, 12)}`,
  doing,
  env: { GIT_DIR: scratch.gitDir },
})

const noRoom = (thrown: unknown): never => {
  throw diskFull(thrown, 'taking in a commit')
}
