import type { SourceSettings } from '../model/app.ts'

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
}

/** Where revisions come from. Adapters: git; later svn. */
export interface Source {
  /**
   * Finds exactly one revision. `settings.url` may be https, ssh or a local path (bare or not). Throws SOURCE_*.
   * Fetches what is needed into the cache between deploys.
   */
  resolve(settings: SourceSettings & { readonly url: string }, signal: AbortSignal): Promise<ResolvedSource>
  /** A file of that revision, or null when it has none. `path` is relative to the repository's root. At most 1 MiB. */
  readFile(source: ResolvedSource, path: string, signal: AbortSignal): Promise<string | null>
  /** Lays exactly the revision into the empty folder `into`: nothing of anybody's uncommitted changes, no hooks, no filters, no repository inside. */
  checkout(
    source: ResolvedSource,
    into: string,
    options: { readonly submodules: boolean },
    signal: AbortSignal,
  ): Promise<void>
}
