import type { SourceSettings } from '../model/app.ts'

/** What a source is asked for: naru.yaml's settings with the address filled in. */
export interface AskedSource extends SourceSettings {
  /** https, ssh or a local path (bare or not). Of an upload: only how the sender calls it, for people and records. */
  readonly url: string
  /** Full id of a commit that a client sent (Uploads); without it the commit is looked for at `url`. */
  readonly upload?: string
}

/** One revision of a source, found but not yet fetched into a work tree. */
export interface ResolvedSource {
  /** Full commit id. */
  readonly commit: string
  /** What was asked for: branch, tag or commit; null: the default branch. */
  readonly ref: string | null
  readonly subject: string
  /** URL without user information, or absolute path, for people and records. */
  readonly url: string
  readonly committedAtMs: number
  /** Read from what clients sent: `url` is asked for nothing. */
  readonly isUpload: boolean
}

/** A file of a revision. */
export interface SourceEntry {
  /** With slashes, from the root; no part of it is empty, `.` or `..`. */
  readonly path: string
  readonly kind: 'file' | 'executable' | 'symlink'
  /** Names the bytes: equal ids are equal bytes. Of a symlink, they are its target. */
  readonly id: string
}

/** The files of one revision, read where they are kept: nothing is laid out. */
export interface SourceTree {
  /** No path twice, and none below another one. */
  readonly entries: readonly SourceEntry[]
  /** Hands over bytes in the order asked: `take` is told the size of each file and answers where its parts go. Throws SOURCE_*. */
  read(ids: readonly string[], take: (id: string, size: number) => (part: Uint8Array) => void): Promise<void>
  close(): Promise<void>
}

/** Where revisions come from. Adapters: git; later svn. */
export interface Source {
  /**
   * Finds exactly one revision. Throws SOURCE_*. Fetches what is needed into the cache between deploys.
   */
  resolve(settings: AskedSource, signal: AbortSignal): Promise<ResolvedSource>
  /** A file of that revision, or null when it has none. `path` is relative to the repository's root. At most 1 MiB. */
  readFile(source: ResolvedSource, path: string, signal: AbortSignal): Promise<string | null>
  /**
   * Exactly the files of the revision, as `checkout` lays them out; they can be read until `close`, or the signal. null: only
   * `checkout` can tell them (submodules, names that it may refuse).
   */
  open(source: ResolvedSource, signal: AbortSignal): Promise<SourceTree | null>
  /** Lays exactly the revision into the empty folder `into`: nothing of anybody's uncommitted changes, no hooks, no filters, no repository inside. */
  checkout(
    source: ResolvedSource,
    into: string,
    options: { readonly submodules: boolean },
    signal: AbortSignal,
  ): Promise<void>
}

/** Commits that clients send, because the server cannot reach their repository. */
export interface Uploads {
  /** Whether a commit is here with all its files, and the newest kept commits: what those have need not be sent. */
  find(commit: string): Promise<{ readonly isHere: boolean; readonly kept: readonly string[] }>
  /**
   * Takes in a commit as a git pack (gitformat-pack(5)) of its objects, with or without history, less what kept commits have.
   * It is kept when every object passed git's checks and nothing of the commit is missing, and not at all otherwise. Throws
   * SOURCE_UPLOAD_INVALID, SOURCE_TOO_LARGE, SOURCE_PATH_INVALID, SOURCE_TOOL_MISSING, DISK_FULL.
   */
  receive(commit: string, pack: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>
}
