import { stat } from 'node:fs/promises'
import type { Clock } from '../../lib/clock.ts'
import type { Descriptor } from '../../model/descriptor.ts'
import { DeployError } from '../../model/failure.ts'
import { algorithmOf, digestOf } from '../digest.ts'
import { mismatch } from '../failures.ts'
import { isForeign, MAX_MANIFEST_BYTES, type ParsedManifest, parseManifest } from '../parse-manifest.ts'
import { isDamaged, notThere, readSmallBlob } from './blob-files.ts'
import { type HeldManifest, HeldManifests } from './held-manifests.ts'
import { KeyedLock } from './keyed-lock.ts'
import { RepositoryFiles } from './repository-files.ts'
import { saving } from './saving.ts'
import { ignoreMissing, type StoreFolder } from './store-folder.ts'
import type { Usage } from './usage.ts'

/** A manifest as it is put. */
export interface NewManifest {
  readonly mediaType: string
  readonly bytes: Uint8Array
  readonly digest: string
  /** Layers, or manifests of an index, may be missing and come later or never (distribution specification, "Pushing Manifests"). */
  readonly sparse: boolean
}

/** Manifests, tags and referrers of the store on disk. What changes them in one repository goes one after the other. */
export class DiskManifests {
  /** By repository: a collection sweeps it under the same. */
  readonly locks = new KeyedLock()
  readonly held = new HeldManifests()
  readonly #folder: StoreFolder
  readonly #clock: Clock
  readonly #usage: Usage

  constructor(folder: StoreFolder, clock: Clock, usage: Usage) {
    this.#folder = folder
    this.#clock = clock
    this.#usage = usage
  }

  /** A manifest that is in memory, by tag or digest; null: `read` knows. */
  inMemory(repository: string, reference: string): HeldManifest | null {
    return this.held.get(repository, reference, this.#clock.now())
  }

  async read(repository: string, reference: string): Promise<HeldManifest | null> {
    const held = this.inMemory(repository, reference)
    if (held !== null) return held
    const { changes } = this.held
    const manifest = await this.#readManifest(repository, reference)
    if (manifest !== null) this.held.hold(repository, reference, manifest, changes, this.#clock.now())
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

  /** Stores a manifest under its digest and tags; `missing`: digests of what it names and the repository has not. */
  async put(
    repository: string,
    manifest: NewManifest,
    tags: readonly string[],
  ): Promise<{ readonly descriptor: Descriptor; readonly missing: readonly string[] }> {
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
      this.#usage.added(repository, digest, bytes.length, before === null)
      for (const [at, path] of paths.entries()) {
        await this.#folder.put(path, digest)
        this.held.drop(repository, tags[at] ?? '')
      }
      return missing
    }
    const missing = await this.locks.run(repository, () => saving(`writing the manifest ${digest}`, write()))
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
    await this.locks.run(repository, () => saving(`tagging ${digest}`, this.#folder.put(path, digest)))
    this.held.drop(repository, tag)
  }

  /** Deletes a tag, or a manifest with all its tags. False: was not there. */
  delete(repository: string, reference: string): Promise<boolean> {
    const files = this.#files(repository)
    return this.locks.run(repository, async () => {
      if (!isDigestReference(reference)) return this.#removeTag(repository, reference)
      const subject = await this.#subjectOf(repository, reference)
      for (const tag of await files.tags())
        if ((await files.tag(tag)) === reference) await this.#removeTag(repository, tag)
      if (subject !== null) await files.removeReferrer(subject, reference)
      return files.removeManifest(reference).finally(() => {
        this.held.drop(repository, reference)
        this.#usage.removed(repository)
      })
    })
  }

  /** Deletes a tag, unless it was set or used since `tagAges` told `setAtMs`. False: it was, or is not there. */
  deleteUnchangedTag(repository: string, tag: string, setAtMs: number): Promise<boolean> {
    const path = this.#folder.tagPath(repository, tag)
    const remove = () => this.#folder.removeUnchanged(path, setAtMs)
    return this.locks.run(repository, () => remove().finally(() => this.held.drop(repository, tag)))
  }

  /** Descriptors of the manifests whose subject is `subject`, as the referrers list of the distribution specification wants them: by digest, those behind `after`, each read when it is asked for. */
  async *referrers(repository: string, subject: string, after: string): AsyncGenerator<Descriptor, void> {
    for (const referrer of await this.#files(repository).referrers(subject)) {
      const manifest = referrer > after ? await this.read(repository, referrer) : null
      if (manifest === null) continue
      const parsed = parseManifest(manifest.descriptor.mediaType, manifest.bytes)
      const artifactType = parsed.artifactType ?? (parsed.kind === 'image' ? parsed.config.mediaType : null)
      yield artifactType === null ? manifest.descriptor : { ...manifest.descriptor, artifactType }
    }
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

  #removeTag(repository: string, tag: string): Promise<boolean> {
    return this.#files(repository)
      .removeTag(tag)
      .finally(() => this.held.drop(repository, tag))
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
        // Cut short on the disk: whoever pushes has to send it again.
        if (await isDamaged(this.#folder, child.digest, now)) throw notThere(child.digest)
        throw mismatch(child.digest, `${size} bytes instead of the ${child.size} that it names`)
      }
    }
    return missing
  }

  async #subjectOf(repository: string, digest: string): Promise<string | null> {
    try {
      const manifest = await this.read(repository, digest)
      if (manifest === null) return null
      return parseManifest(manifest.descriptor.mediaType, manifest.bytes).subject?.digest ?? null
    } catch (failed) {
      // A damaged manifest can still be deleted; the mark at its subject then leads nowhere, which readers pass over.
      if (failed instanceof DeployError) return null
      throw failed
    }
  }
}

/** A reference with a colon can only be a digest; whether it is one is checked where it becomes a path. */
const isDigestReference = (reference: string): boolean => reference.includes(':')
