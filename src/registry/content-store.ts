import type { Readable } from 'node:stream'
import type { Descriptor } from '../model/descriptor.ts'

/** A blob that is to be in a store. */
export interface WantedBlob {
  readonly digest: string
  readonly size: number
  /** It is not asked for first: that was done, or would cost more than to send it. Default false. */
  readonly unasked?: boolean
}

/** A blob whose bytes are not known yet. */
export interface BegunBlob {
  /** As `ContentStore.writeBlob`, once. */
  write(wanted: WantedBlob, open: () => Readable, signal: AbortSignal): Promise<number>
  /** Leaves nothing of it in the store where it was not written. Never fails. */
  discard(): Promise<void>
}

/**
 * A place with blobs, manifests and tags: the store on disk, or any registry through the client. One store covers many
 * repositories. Digests are verified on the way in and out. Throws DIGEST_MISMATCH, IMAGE_NOT_FOUND, STORE_CORRUPT,
 * REGISTRY_*, DISK_FULL.
 */
export interface ContentStore {
  /** Size of a blob that the repository has, or null. */
  statBlob(repository: string, digest: string, signal: AbortSignal): Promise<number | null>
  /** The blob's bytes; the stream fails with DIGEST_MISMATCH (or STORE_CORRUPT) before its end when they are wrong. */
  readBlob(repository: string, digest: string, signal: AbortSignal): Promise<Readable>
  /** Stores a blob; nothing is kept when the bytes are not those. Answers how many bytes were sent: 0 when it was found there. */
  writeBlob(repository: string, wanted: WantedBlob, open: () => Readable, signal: AbortSignal): Promise<number>
  /** Begins to store a blob that is still being made. Only where a store lets one wait for its first answer. */
  beginBlob?(repository: string, signal: AbortSignal): BegunBlob
  /** Makes a blob of another repository of this store one of this repository, without sending it. False: not there. */
  mountBlob(repository: string, digest: string, from: string, signal: AbortSignal): Promise<boolean>
  /** A manifest by tag or digest, with its exact bytes; null: not there. */
  readManifest(
    repository: string,
    reference: string,
    signal: AbortSignal,
  ): Promise<{ readonly descriptor: Descriptor; readonly bytes: Uint8Array } | null>
  /** The digest that a tag names, without the manifest where the store can say it so; null: not there. */
  resolveTag(repository: string, tag: string, signal: AbortSignal): Promise<string | null>
  /** Stores a manifest under its digest, and under each tag. What it names is written before; some stores refuse it otherwise. Answers its descriptor. */
  writeManifest(
    repository: string,
    manifest: { readonly mediaType: string; readonly bytes: Uint8Array },
    tags: readonly string[],
    signal: AbortSignal,
  ): Promise<Descriptor>
  /** All tags, sorted. An unknown repository has none. */
  tags(repository: string, signal: AbortSignal): Promise<readonly string[]>
  /** Deletes a tag, or a manifest with all its tags. False: was not there. */
  deleteManifest(repository: string, reference: string, signal: AbortSignal): Promise<boolean>
}

/** A registry elsewhere. */
export interface RemoteStore extends ContentStore {
  /** Descriptors of the manifests whose subject is `digest`; none where there are none. */
  referrers(repository: string, digest: string, signal: AbortSignal): Promise<readonly Descriptor[]>
  /** Ends its connections. */
  close(): void
}
