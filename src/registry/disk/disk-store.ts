import { type FileHandle, stat } from 'node:fs/promises'
import { addAbortSignal, Readable } from 'node:stream'
import type { Clock } from '../../lib/clock.ts'
import type { Descriptor } from '../../model/descriptor.ts'
import { streamInflow } from '../body/inflow.ts'
import type { ContentStore } from '../content-store.ts'
import { algorithmOf, digestOf } from '../digest.ts'
import { mismatch } from '../failures.ts'
import { notThere, openCheckedBlob, readBlobFile } from './blob-files.ts'
import { collectGarbage, type Garbage, type GarbageRequest } from './collect-garbage.ts'
import { DiskManifests, type NewManifest } from './disk-manifests.ts'
import type { HeldManifest } from './held-manifests.ts'
import { saving } from './saving.ts'
import { scrub, type ScrubTools } from './scrub.ts'
import { RepositoryFiles, repositoryNames } from './repository-files.ts'
import { ignoreMissing, StoreFolder } from './store-folder.ts'
import { Upload } from './upload.ts'
import { UploadTable } from './upload-table.ts'
import { Usage } from './usage.ts'

/**
 * The content-addressed store on disk: what the embedded registry serves, and where the builder of the same machine puts
 * layers without HTTP. What was answered is durable; what is read was verified (reference/reliability-security.md 4).
 * One process per folder writes.
 */
export class DiskStore implements ContentStore {
  readonly uploads: UploadTable
  readonly usage: Usage
  readonly #folder: StoreFolder
  readonly #clock: Clock
  readonly #manifests: DiskManifests
  readonly #checking = new Map<string, Promise<void>>()

  private constructor(folder: StoreFolder, clock: Clock) {
    this.#folder = folder
    this.#clock = clock
    this.uploads = new UploadTable(folder, clock)
    this.usage = new Usage(folder)
    this.#manifests = new DiskManifests(folder, clock, this.usage)
  }

  /** Opens the store in `root`, makes it if it is not there, and removes what a killed process left half-written. Throws DISK_FULL. */
  static async open(root: string, clock: Clock): Promise<DiskStore> {
    return new DiskStore(await saving(`opening the store ${root}`, StoreFolder.open(root)), clock)
  }

  async statBlob(repository: string, digest: string, signal: AbortSignal): Promise<number | null> {
    signal.throwIfAborted()
    return this.#files(repository).statBlob(digest, this.#clock.now())
  }

  async readBlob(repository: string, digest: string, signal: AbortSignal): Promise<Readable> {
    if ((await this.statBlob(repository, digest, signal)) === null) throw notThere(digest)
    return readable(readBlobFile(this.#folder, digest, this.#clock.now()), signal)
  }

  /** The open file of a blob that a repository has (`statBlob`) and that was found right within the last hour; null: check it first, or read it with `readBlob`. */
  openBlob(digest: string): Promise<FileHandle | null> {
    return openCheckedBlob(this.#folder, digest, this.#clock.now())
  }

  /** Reads a blob to its end, once for all who want it checked at the same time. Throws STORE_CORRUPT, and sets it aside. */
  async checkBlob(digest: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const checking = this.#checking.get(digest) ?? this.#check(digest).finally(() => this.#checking.delete(digest))
    this.#checking.set(digest, checking)
    await checking
  }

  async #check(digest: string): Promise<void> {
    for await (const _piece of readBlobFile(this.#folder, digest, this.#clock.now())) {
      // Its digest is what it is read for.
    }
  }

  async writeBlob(
    repository: string,
    expected: { readonly digest: string; readonly size: number },
    open: () => Readable,
    signal: AbortSignal,
  ): Promise<number> {
    if ((await this.statBlob(repository, expected.digest, signal)) !== null) return 0
    const upload = await Upload.begin(this.#folder.temporaryPath(), algorithmOf(expected.digest))
    const ended = this.uploads.accompany()
    try {
      const source = addAbortSignal(signal, open())
      try {
        await upload.append(streamInflow(source), expected.size)
      } finally {
        source.destroy()
      }
      if (upload.offset !== expected.size) {
        throw mismatch(expected.digest, `${upload.offset} bytes instead of ${expected.size}`)
      }
      await this.finishUpload(repository, upload, expected.digest)
    } finally {
      ended()
      await upload.discard()
    }
    return expected.size
  }

  /** Makes a complete upload a blob of the repository. Throws DIGEST_MISMATCH, DISK_FULL; no bytes are left then. */
  async finishUpload(repository: string, upload: Upload, digest: string): Promise<void> {
    const place = this.#folder.blobPath(digest)
    const before = await stat(place).catch(ignoreMissing)
    await upload.finish(digest, async (path) => {
      await this.#files(repository).addBlob(digest)
      // Its last byte may be older than the grace of a collection.
      await this.#folder.touch(path, this.#clock.now())
      await this.#folder.place(path, place)
      this.#folder.checked.remember(place, await stat(place), this.#clock.now())
    })
    this.usage.added(repository, digest, upload.offset, before === null)
  }

  async mountBlob(repository: string, digest: string, from: string, signal: AbortSignal): Promise<boolean> {
    const size = await this.statBlob(from, digest, signal)
    if (size !== null) await this.#mount(repository, digest, size)
    return size !== null
  }

  /** As `mountBlob`, from whichever repository has it. */
  async mountAnyBlob(repository: string, digest: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted()
    const size = await this.#folder.touch(this.#folder.blobPath(digest), this.#clock.now())
    if (size !== null) await this.#mount(repository, digest, size)
    return size !== null
  }

  /** Removes a blob from a repository. False: was not there. Its bytes go with the next collection of garbage. */
  async deleteBlob(repository: string, digest: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted()
    return this.#files(repository)
      .removeBlob(digest)
      .finally(() => this.usage.removed(repository))
  }

  /** A manifest that is in memory, by tag or digest; null: `readManifest` knows. */
  heldManifest(repository: string, reference: string): HeldManifest | null {
    return this.#manifests.inMemory(repository, reference)
  }

  async readManifest(repository: string, reference: string, signal: AbortSignal): Promise<HeldManifest | null> {
    signal.throwIfAborted()
    return this.#manifests.read(repository, reference)
  }

  /** Looking is no use of it: a collection may delete what it names. */
  async resolveTag(repository: string, tag: string, signal: AbortSignal): Promise<string | null> {
    signal.throwIfAborted()
    return this.#files(repository).tag(tag)
  }

  async writeManifest(
    repository: string,
    manifest: { readonly mediaType: string; readonly bytes: Uint8Array },
    tags: readonly string[],
    signal: AbortSignal,
  ): Promise<Descriptor> {
    const whole = { ...manifest, digest: digestOf(manifest.bytes), sparse: false }
    return (await this.putManifest(repository, whole, tags, signal)).descriptor
  }

  /**
   * As `writeManifest`, under a digest that the sender chose (sha512 as well), and where it is sparse without all that it names;
   * `missing` has the digests of that.
   */
  async putManifest(repository: string, manifest: NewManifest, tags: readonly string[], signal: AbortSignal) {
    signal.throwIfAborted()
    return this.#manifests.put(repository, manifest, tags)
  }

  /** Lets a tag name a manifest, and marks it as used now. */
  useTag(repository: string, tag: string, digest: string): Promise<void> {
    return this.#manifests.useTag(repository, tag, digest)
  }

  async tags(repository: string, signal: AbortSignal): Promise<readonly string[]> {
    signal.throwIfAborted()
    return this.#files(repository).tags()
  }

  /** Every tag with the time at which it was set, or used by a deploy, last. */
  tagAges(repository: string): Promise<readonly { readonly tag: string; readonly setAtMs: number }[]> {
    return this.#manifests.tagAges(repository)
  }

  async deleteManifest(repository: string, reference: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted()
    return this.#manifests.delete(repository, reference)
  }

  /** Deletes a tag, unless it was set or used since `tagAges` told `setAtMs`. False: it was, or is not there. */
  deleteUnchangedTag(repository: string, tag: string, setAtMs: number): Promise<boolean> {
    return this.#manifests.deleteUnchangedTag(repository, tag, setAtMs)
  }

  /** Descriptors of the manifests whose subject is `subject`: by digest, those behind `after`, each read when it is asked for. */
  referrers(repository: string, subject: string, after = ''): AsyncGenerator<Descriptor, void> {
    return this.#manifests.referrers(repository, subject, after)
  }

  /** Names of all repositories, sorted. */
  repositories(): Promise<readonly string[]> {
    return repositoryNames(this.#folder)
  }

  /** Deletes what neither a tag nor `keep` leads to; call it when releases were deleted. Safe beside pushes and pulls. */
  async collectGarbage(request: GarbageRequest, signal: AbortSignal): Promise<Garbage> {
    await this.uploads.expire()
    const times = { nowMs: this.#clock.now(), oldestUploadMs: this.uploads.oldestMs() }
    const { locks, held } = this.#manifests
    const forget = (repository: string, reference: string) => held.drop(repository, reference)
    const ground = { folder: this.#folder, locks, forget }
    return saving('collecting garbage', collectGarbage(ground, request, times, signal)).finally(() =>
      this.usage.removed(null),
    )
  }

  /** Reads and checks everything that is stored; see `scrub`. */
  scrub(tools: Omit<ScrubTools, 'clock' | 'restore'>, signal: AbortSignal): ReturnType<typeof scrub> {
    const restore = (digest: string, bytes: Readable) => this.#restore(digest, bytes)
    return saving('scrubbing', scrub(this.#folder, { ...tools, clock: this.#clock, restore }, signal))
  }

  /** Bytes that were lost come back: whoever had them has them again. */
  async #restore(digest: string, bytes: Readable): Promise<void> {
    const upload = await Upload.begin(this.#folder.temporaryPath(), algorithmOf(digest))
    try {
      await upload.append(streamInflow(bytes), MAX_RESTORED_BYTES)
      await upload.finish(digest, (path) => this.#folder.place(path, this.#folder.blobPath(digest)))
    } finally {
      await upload.discard()
    }
  }

  /** Ends all uploads. Nothing else is held open. */
  async close(): Promise<void> {
    await this.uploads.close()
    await this.#folder.close()
  }

  async #mount(repository: string, digest: string, size: number): Promise<void> {
    await saving(`mounting ${digest}`, this.#files(repository).addBlob(digest))
    this.usage.added(repository, digest, size, false)
  }

  #files(repository: string): RepositoryFiles {
    return new RepositoryFiles(this.#folder, repository)
  }
}

/** The most that a blob can have which was taken once. */
const MAX_RESTORED_BYTES = 2 ** 40

const readable = (pieces: AsyncIterable<Uint8Array>, signal: AbortSignal): Readable =>
  addAbortSignal(signal, Readable.from(pieces, { objectMode: false, highWaterMark: 256 * 1024 }))
