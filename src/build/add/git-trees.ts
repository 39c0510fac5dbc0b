import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DeployError } from '../../model/failure.ts'
import type { Source } from '../../source/source.ts'
import { Beneath } from '../context/beneath.ts'
import { DiskFiles } from '../context/disk-files.ts'
import { FolderFiles } from '../context/folder-files.ts'
import { failureAt, formatPlace, notSupported, type Place } from '../dockerfile/place.ts'
import type { Files } from '../image/file-entry.ts'
import { resolvePath } from '../image/resolve-path.ts'
import type { GitReference } from './git-reference.ts'

/** Work trees of the git repositories that a build takes files from; they go with the build. */
export class GitTrees {
  readonly #source: Source | null
  readonly #folder: () => Promise<string>
  readonly #open: Beneath[] = []
  readonly #trees = new Map<string, Promise<Files>>()
  #count = 0

  /** `source`: how repositories are read; null: not here. `folder`: a folder of this build's own. */
  constructor(source: Source | null, folder: () => Promise<string>) {
    this.#source = source
    this.#folder = folder
  }

  /** The files of a revision, or of a folder of it. Throws SOURCE_*, BUILD_PATH_ESCAPES, DIGEST_MISMATCH. */
  read(reference: GitReference, place: Place, signal: AbortSignal): Promise<Files> {
    const key = JSON.stringify(reference)
    const known = this.#trees.get(key)
    if (known !== undefined) return known
    const tree = this.#read(reference, place, signal)
    this.#trees.set(key, tree)
    return tree
  }

  close(): void {
    for (const beneath of this.#open.splice(0)) beneath.close()
  }

  async #read({ url, ref, folder, commit }: GitReference, place: Place, signal: AbortSignal): Promise<Files> {
    if (this.#source === null) {
      throw notSupported(place, 'git references are not read here', 'Put the files into the context.')
    }
    try {
      const asked = { kind: 'git', url, ref, folder: '', submodules: true } as const
      const found = await this.#source.resolve(asked, signal)
      if (commit !== null && !found.commit.startsWith(commit.toLowerCase())) {
        const hint = 'Nothing was pushed. Find out why it is another commit before the checksum is changed.'
        throw failureAt('DIGEST_MISMATCH', place, `${found.url} is at ${found.commit}, not ${commit}`, hint)
      }
      const into = join(await this.#folder(), `git-${this.#count++}`)
      await mkdir(into, { recursive: true })
      await this.#source.checkout(found, into, { submodules: true }, signal)
      return this.#filesOf(into, folder, place)
    } catch (failed) {
      throw located(failed, place)
    }
  }

  /** A folder of the tree as root of its own: a link in its path that leads out of the tree is refused (A4). */
  #filesOf(root: string, folder: string, place: Place): Files {
    const beneath = new Beneath(root)
    this.#open.push(beneath)
    const all = new DiskFiles(beneath)
    const real = resolvePath(all, folder)
    if (real === null || real.escaped || all.at(real.path)?.type !== 'directory') {
      const hint = 'Name a folder of the repository after the colon: #ref:folder.'
      throw failureAt('BUILD_PATH_ESCAPES', place, `the repository has no folder ${folder}`, hint)
    }
    return new FolderFiles(all, real.path)
  }
}

function located(failed: unknown, place: Place): unknown {
  if (!(failed instanceof DeployError) || failed.detail.line !== undefined) return failed
  const { file, line, column } = place
  return new DeployError(failed.code, `${formatPlace(place)}: ${failed.message}`, {
    hint: failed.hint,
    detail: { ...failed.detail, file, line, column },
    cause: failed,
  })
}
