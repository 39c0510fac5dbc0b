import { type FileHandle, stat } from 'node:fs/promises'
import { addAbortSignal, Readable } from 'node:stream'
import type { Clock } from '../../lib/clock.ts'
import type { Descriptor } from '../../model/descriptor.ts'
import { diskFull } from '../../model/disk-full.ts'
import { DeployError } from '../../model/failure.ts'
import type { ContentStore } from '../content-store.ts'
import { algorithmOf, digestOf } from '../digest.ts'
import { mismatch } from '../failures.ts'
import { isForeign, MAX_MANIFEST_BYTES, type ParsedManifest, parseManifest } from '../parse-manifest.ts'
import { notThere, openCheckedBlob, readBlobFile, readSmallBlob } from './blob-files.ts'
import { collectGarbage, type Garbage, type GarbageRequest } from './collect-garbage.ts'
import { type HeldManifest, HeldManifests } from './held-manifests.ts'
import { KeyedLock } from './keyed-lock.ts'
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
  readonly #locks = new KeyedLock()
  readonly #held = new HeldManifests()

  private constructor(folder: StoreFolder, clock: Clock) {
    this.#folder = folder
    this.#clock = clock
    this.uploads = new UploadTable(folder, clock)
    this.usage = new Usage(folder)
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

  /** Reads a blob to its end. Throws STORE_CORRUPT, and sets it aside. */
  async checkBlob(digest: string, signal: AbortSignal): Promise<void> {
    for await (const _piece of readBlobFile(this.#folder, digest, this.#clock.now())) signal.throwIfAborted()
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
        await upload.append(source, expected.size)
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
    return this.#held.get(repository, reference, this.#clock.now())
  }

  async readManifest(repository: string, reference: string, signal: AbortSignal): Promise<HeldManifest | null> {
    signal.throwIfAborted()
    const held = this.heldManifest(repository, reference)
    if (held !== null) return held
    const { changes } = this.#held
    const manifest = await this.#readManifest(repository, reference)
    if (manifest !== null) this.#held.hold(repository, reference, manifest, changes, this.#clock.now())
    return manifest
  }

  /** It counts as used: who reads it may be about to pull what it names, or to deploy it. */
  async #readManifest(repository: string, reference: string): Promise<HeldManifest | null> {
    const files = this.#files(repository)
    const now = this.#clock.now()
    const digest = isDigestReference(reference) ? reference : await files.tag(reference)
    if (digest === null || (await files.statManifest(digest, now)) === null) return null
    const mediaType = await files.manifestType(digest)
    const bytes = mediaType === null ? null : await readSmallBlob(this.#folder, digest, MAX_MANIFEST_BYTES, now)
    if (mediaType === null || bytes === null) return null
    const { artifactType, annotations } = parseManifest(mediaType, bytes)
    const more = {
      ...(artifactType === null ? {} : { artifactType }),
      ...(annotations === null ? {} : { annotations }),
    }
    return { descriptor: { mediaType, digest, size: bytes.length, ...more }, bytes }
  }

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
   * As `writeManifest`, under a digest that the sender chose (sha512 as well). `sparse`: layers, or manifests of an index, may be
   * missing and come later or never (distribution specification, "Pushing Manifests"); `missing` has their digests.
   */
  async putManifest(
    repository: string,
    manifest: {
      readonly mediaType: string
      readonly bytes: Uint8Array
      readonly digest: string
      readonly sparse: boolean
    },
    tags: readonly string[],
    signal: AbortSignal,
  ): Promise<{ readonly descriptor: Descriptor; readonly missing: readonly string[] }> {
    signal.throwIfAborted()
    const { mediaType, bytes, digest, sparse } = manifest
    const parsed = parseManifest(mediaType, bytes)
    const paths = tags.map((tag) => this.#folder.tagPath(repository, tag))
    const got = digestOf(bytes, algorithmOf(digest))
    if (got !== digest) throw mismatch(digest, `${got} of ${bytes.length} bytes`)
    const files = this.#files(repository)
    const write = async () => {
      const missing = await this.#missingChildren(files, parsed)
      const refused = missing.find((child) => !sparse || (parsed.kind === 'image' && child === parsed.config.digest))
      if (refused !== undefined) throw notThere(refused)
      const before = await stat(this.#folder.blobPath(digest)).catch(ignoreMissing)
      await this.#folder.put(this.#folder.blobPath(digest), bytes)
      await files.addManifest(digest, mediaType, parsed.subject?.digest ?? null)
      this.usage.added(repository, digest, bytes.length, before === null)
      for (const [at, path] of paths.entries()) {
        await this.#folder.put(path, digest)
        this.#held.drop(repository, tags[at] ?? '')
      }
      return missing
    }
    const missing = await this.#locks.run(repository, () => saving(`writing the manifest ${digest}`, write()))
    return { descriptor: { mediaType, digest, size: bytes.length }, missing }
  }

  /** Lets a tag name a manifest, and marks it as used now. */
  async useTag(repository: string, tag: string, digest: string): Promise<void> {
    const path = this.#folder.tagPath(repository, tag)
    if (
      (await this.#files(repository).tag(tag)) === digest &&
      (await this.#folder.touch(path, this.#clock.now())) !== null
    )
      return
    await this.#locks.run(repository, () => saving(`tagging ${digest}`, this.#folder.put(path, digest)))
    this.#held.drop(repository, tag)
  }

  async tags(repository: string, signal: AbortSignal): Promise<readonly string[]> {
    signal.throwIfAborted()
    return this.#files(repository).tags()
  }

  /** Digest under a tag, or null. Looking is no use of it: a collection may delete what it names. */
  tagDigest(repository: string, tag: string): Promise<string | null> {
    return this.#files(repository).tag(tag)
  }

  async deleteManifest(repository: string, reference: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted()
    const files = this.#files(repository)
    return this.#locks.run(repository, async () => {
      if (!isDigestReference(reference)) return this.#removeTag(repository, reference)
      const subject = await this.#subjectOf(repository, reference, signal)
      for (const tag of await files.tags())
        if ((await files.tag(tag)) === reference) await this.#removeTag(repository, tag)
      if (subject !== null) await files.removeReferrer(subject, reference)
      return files.removeManifest(reference).finally(() => {
        this.#held.drop(repository, reference)
        this.usage.removed(repository)
      })
    })
  }

  /** Descriptors of the manifests whose subject is `digest`, as the referrers list of the distribution specification wants them. */
  async referrers(repository: string, digest: string, signal: AbortSignal): Promise<readonly Descriptor[]> {
    const found: Descriptor[] = []
    for (const referrer of await this.#files(repository).referrers(digest)) {
      const manifest = await this.readManifest(repository, referrer, signal)
      if (manifest === null) continue
      const parsed = parseManifest(manifest.descriptor.mediaType, manifest.bytes)
      const artifactType = parsed.artifactType ?? (parsed.kind === 'image' ? parsed.config.mediaType : null)
      found.push(artifactType === null ? manifest.descriptor : { ...manifest.descriptor, artifactType })
    }
    return found
  }

  /** Names of all repositories, sorted. */
  repositories(): Promise<readonly string[]> {
    return repositoryNames(this.#folder)
  }

  /** Deletes what neither a tag nor `keep` leads to; call it when releases were deleted. Safe beside pushes and pulls. */
  async collectGarbage(request: GarbageRequest, signal: AbortSignal): Promise<Garbage> {
    await this.uploads.expire()
    const times = { nowMs: this.#clock.now(), oldestUploadMs: this.uploads.oldestMs() }
    const forget = (repository: string, reference: string) => this.#held.drop(repository, reference)
    const ground = { folder: this.#folder, locks: this.#locks, forget }
    return saving('collecting garbage', collectGarbage(ground, request, times, signal)).finally(() =>
      this.usage.removed(null),
    )
  }

  /** Every tag with the time at which it was set, or used by a deploy, last. */
  async tagAges(repository: string): Promise<readonly { readonly tag: string; readonly setAtMs: number }[]> {
    const ages: { tag: string; setAtMs: number }[] = []
    for (const tag of await this.#files(repository).tags()) {
      const found = await stat(this.#folder.tagPath(repository, tag)).catch(ignoreMissing)
      if (found !== null) ages.push({ tag, setAtMs: found.mtimeMs })
    }
    return ages
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
      await upload.append(bytes, MAX_RESTORED_BYTES)
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

  #removeTag(repository: string, tag: string): Promise<boolean> {
    return this.#files(repository)
      .removeTag(tag)
      .finally(() => this.#held.drop(repository, tag))
  }

  #files(repository: string): RepositoryFiles {
    return new RepositoryFiles(this.#folder, repository)
  }

  /** What a manifest names and the repository has not, foreign layers excepted; its subject may come later (distribution specification, "Pushing Manifests with Subject"). */
  async #missingChildren(files: RepositoryFiles, parsed: ParsedManifest): Promise<readonly string[]> {
    const now = this.#clock.now()
    const missing: string[] = []
    const children = parsed.kind === 'index' ? parsed.manifests : [parsed.config, ...parsed.layers]
    for (const child of children) {
      if (parsed.kind === 'image' && isForeign(child)) continue
      const size = await (parsed.kind === 'index'
        ? files.statManifest(child.digest, now)
        : files.statBlob(child.digest, now))
      if (size === null) missing.push(child.digest)
      else if (size !== child.size) {
        throw mismatch(child.digest, `${size} bytes instead of the ${child.size} that it names`)
      }
    }
    return missing
  }

  async #subjectOf(repository: string, digest: string, signal: AbortSignal): Promise<string | null> {
    try {
      const manifest = await this.readManifest(repository, digest, signal)
      if (manifest === null) return null
      return parseManifest(manifest.descriptor.mediaType, manifest.bytes).subject?.digest ?? null
    } catch (failed) {
      // A damaged manifest can still be deleted; the mark at its subject then leads nowhere, which readers pass over.
      if (failed instanceof DeployError) return null
      throw failed
    }
  }
}

/** The most that a blob can have which was taken once. */
const MAX_RESTORED_BYTES = 2 ** 40

/** A reference with a colon can only be a digest; whether it is one is checked where it becomes a path. */
const isDigestReference = (reference: string): boolean => reference.includes(':')

const readable = (pieces: AsyncIterable<Uint8Array>, signal: AbortSignal): Readable =>
  addAbortSignal(signal, Readable.from(pieces, { objectMode: false, highWaterMark: 256 * 1024 }))

/** The result, or DISK_FULL when that is why it failed. */
async function saving<T>(doing: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (failed) {
    throw diskFull(failed, doing)
  }
}
