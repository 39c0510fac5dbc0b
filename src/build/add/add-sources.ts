import type { Source } from '../../source/source.ts'
import type { Place } from '../dockerfile/place.ts'
import type { Content, Files } from '../image/file-entry.ts'
import { type Archive, Archives } from './archives.ts'
import type { Environment } from './download.ts'
import { Downloads, type FileAt } from './downloads.ts'
import type { UnpackLimits } from './decompress.ts'
import type { DownloadLimits } from './download.ts'
import type { GitReference } from './git-reference.ts'
import { GitTrees } from './git-trees.ts'

/** What ADD may take besides files of the context. */
export interface AddOptions {
  /** How git repositories are read. Default: they are refused. */
  readonly source?: Source
  /** Names proxies. Default: none. */
  readonly env?: Environment
  readonly downloadLimits?: DownloadLimits
  readonly unpackLimits?: UnpackLimits
}

/** Archives, addresses and git references, for the instructions of one build. */
export class AddSources {
  readonly #archives: Archives
  readonly #downloads: Downloads
  readonly #trees: GitTrees

  /** `keep`: what outlives the build; `work`: where it is made; `own`: a folder that ends with the build. */
  constructor(
    options: AddOptions,
    folders: { readonly keep: (name: string) => string; readonly work: string; readonly own: () => Promise<string> },
  ) {
    const { keep, work, own } = folders
    const { unpackLimits, downloadLimits, env = {} } = options
    this.#archives = new Archives({
      ...{ folder: keep('archives'), work },
      ...(unpackLimits === undefined ? {} : { limits: unpackLimits }),
    })
    this.#downloads = new Downloads({
      ...{ folder: keep('downloads'), work, env },
      ...(downloadLimits === undefined ? {} : { limits: downloadLimits }),
    })
    this.#trees = new GitTrees(options.source ?? null, own)
  }

  archive(content: Content, name: string, place: Place, signal: AbortSignal): Promise<Archive | null> {
    return this.#archives.read(content, name, place, signal)
  }

  download(address: string, checksum: string | null, place: Place, signal: AbortSignal): Promise<FileAt> {
    return this.#downloads.get(address, checksum, place, signal)
  }

  git(reference: GitReference, place: Place, signal: AbortSignal): Promise<Files> {
    return this.#trees.read(reference, place, signal)
  }

  close(): void {
    this.#trees.close()
  }
}
