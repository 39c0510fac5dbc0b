import type { App, Scope } from './app.ts'
import type { Descriptor } from './descriptor.ts'

/** Where a release's content came from. `commit` null: an image was given. */
export interface SourceRevision {
  readonly url: string | null
  readonly commit: string | null
  readonly ref: string | null
  /** First line of the commit message. */
  readonly subject: string | null
  /** Where naru.yaml was read: at the commit, or in front of the user because the commit has none. */
  readonly file: 'commit' | 'front' | 'none'
}

/** The immutable record that a rollout moves an environment to. Rollback restores all of it. */
export interface Release extends Scope {
  /** Counts up within app and environment; never used twice. */
  readonly revision: number
  /** The image manifest's descriptor. */
  readonly artifact: Descriptor
  /** Repository of the artifact: `shop` in the embedded registry, or `registry.example.com/team/shop`. */
  readonly repository: string
  /** Images that went into it, or that it is: whole name → digest as it was then. Absent in records of older versions. */
  readonly images?: Readonly<Record<string, string>>
  readonly source: SourceRevision
  /** Resolved settings; ports that depended on the image are settled here. */
  readonly settings: App
  /** Version of each secret in use. */
  readonly secrets: Readonly<Record<string, number>>
  /** Names of the caller's variables that the file used. Values are in `settings` where the file put them. */
  readonly variables: readonly string[]
  readonly createdAtMs: number
  readonly createdBy: string
}
