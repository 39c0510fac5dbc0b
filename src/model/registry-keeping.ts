/** Which tags a registry lets go. A tag goes when every part that is given wants it gone, and no pattern protects it. */
export interface RetentionRule {
  /** `team/**`: which repositories. */
  readonly repositories: string
  /** Which tags, each with `*` for any characters; none: all. */
  readonly tags: readonly string[]
  /** Tags that stay whatever else is said. */
  readonly protect: readonly string[]
  /** So many of a repository's tags that the rule is about stay: those that were set last. null: it does not count. */
  readonly keepLast: number | null
  /** Only what was set before that long ago goes. null: age does not count. */
  readonly olderThanMs: number | null
}

/** What is asked of the keeping of a registry. */
export type KeepingRequest =
  | {
      readonly kind: 'collect'
      /** Only tells what would go. */
      readonly dryRun: boolean
      /** What was used within this time stays. */
      readonly graceMs: number
      readonly retention: RetentionRule | null
    }
  | {
      readonly kind: 'scrub'
      /** The most that is read in a second; null: as fast as the disk is. */
      readonly bytesPerSecond: number | null
      /** `registry.example.com`: another registry that has the same repositories. */
      readonly from: string | null
    }
  | { readonly kind: 'usage' }
  | { readonly kind: 'tags'; readonly repository: string }
  /** A tag, or by digest a manifest with all its tags. */
  | { readonly kind: 'remove'; readonly repository: string; readonly reference: string }

/** A tag that goes, and why. */
export interface ExpiredTag {
  readonly repository: string
  readonly tag: string
  readonly cause: string
}

/** A repository of which a collection took nothing. */
export interface SparedRepository {
  readonly repository: string
  /** What of it is damaged or lost: `the tag v1`, `the manifest sha256:…`. */
  readonly broken: string
}

/** What became of content that was damaged, or that a repository has without its bytes. */
export interface DamagedContent {
  readonly digest: string
  /** Repositories that have it. Empty: only garbage is damaged. */
  readonly repositories: readonly string[]
  /** Where it was fetched from again; null: it is gone. */
  readonly fetchedFrom: string | null
}

/** One tag of a list. */
export interface ListedTag {
  readonly tag: string
  /** null: it is damaged. */
  readonly digest: string | null
  /** Of all that it leads to, each blob once, of every platform; null: something of it is damaged. */
  readonly bytes: number | null
  /** When it was set, or used by a deploy, last; null: a registry elsewhere does not tell. */
  readonly setAtMs: number | null
}

/** What keeping tells: how far it is, and at the end what it did. */
export type KeepingReport =
  | {
      readonly kind: 'progress'
      readonly blobs: number
      readonly ofBlobs: number
      readonly bytes: number
      readonly damaged: number
    }
  | {
      readonly kind: 'collected'
      readonly dryRun: boolean
      readonly tags: readonly ExpiredTag[]
      readonly manifests: number
      readonly blobs: number
      readonly bytes: number
      readonly spared: readonly SparedRepository[]
    }
  | {
      readonly kind: 'scrubbed'
      readonly blobs: number
      readonly bytes: number
      readonly damaged: readonly DamagedContent[]
    }
  | {
      readonly kind: 'usage'
      /** Largest first. What several have counts in each. */
      readonly repositories: readonly { readonly repository: string; readonly tags: number; readonly bytes: number }[]
      /** What lies on the disk, each content once. */
      readonly bytes: number
      /** What a collection would free, of what was not used within an hour. */
      readonly garbageBytes: number
    }
  | { readonly kind: 'tags'; readonly repository: string; readonly tags: readonly ListedTag[] }
  | { readonly kind: 'removed'; readonly repository: string; readonly reference: string; readonly wasThere: boolean }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly hint: string }
