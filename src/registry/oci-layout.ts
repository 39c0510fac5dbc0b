import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { addAbortSignal, Readable } from 'node:stream'
import { type Descriptor, isDigest, MEDIA_TYPES } from '../model/descriptor.ts'
import { diskFull } from '../model/disk-full.ts'
import { DeployError } from '../model/failure.ts'
import { makeFolder, syncFolder, writeFileAtomic } from '../os/atomic-file.ts'
import { streamInflow } from './body/inflow.ts'
import type { ContentStore } from './content-store.ts'
import { algorithmOf, digestOf } from './digest.ts'
import { Upload } from './disk/upload.ts'
import { mismatch } from './failures.ts'
import { MAX_DEPTH } from './find-manifest.ts'
import { parseManifest } from './parse-manifest.ts'
import { verified } from './verified.ts'

const TAG = 'org.opencontainers.image.ref.name'

const isIndex = ({ mediaType }: Descriptor): boolean =>
  mediaType === MEDIA_TYPES.imageIndex || mediaType === MEDIA_TYPES.dockerManifestList

type Index = { readonly schemaVersion: 2; readonly mediaType?: string; readonly manifests: readonly Descriptor[] }

/**
 * An OCI image layout: a folder with blobs/, index.json and oci-layout (image-spec image-layout.md), as skopeo, umoci and
 * buildah read it. A layout is one repository: the names of repositories do not matter here. Tags are annotations in
 * index.json. One process writes at a time.
 */
export class OciLayout implements ContentStore {
  readonly #folder: string
  /** Changes of index.json come one after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** Opens a layout; makes it when the folder is empty or missing. Throws IMAGE_INVALID when the folder holds something else. */
  static async open(folder: string): Promise<OciLayout> {
    const layout = new OciLayout(folder)
    try {
      await makeFolder(join(folder, 'blobs', 'sha256'))
      const marker = join(folder, 'oci-layout')
      const found = await readFile(marker, 'utf8').catch(() => null)
      if (found === null) await writeFileAtomic(marker, '{"imageLayoutVersion":"1.0.0"}')
      await layout.#index()
    } catch (failed) {
      throw diskFull(failed, `writing the image layout ${folder}`)
    }
    return layout
  }

  async statBlob(_repository: string, digest: string, signal: AbortSignal): Promise<number | null> {
    signal.throwIfAborted()
    const found = await stat(this.#blob(digest)).catch((failed: NodeJS.ErrnoException) => {
      if (failed.code === 'ENOENT') return null
      throw failed
    })
    return found?.size ?? null
  }

  async readBlob(repository: string, digest: string, signal: AbortSignal): Promise<Readable> {
    const size = await this.statBlob(repository, digest, signal)
    if (size === null) {
      const hint = 'Build or copy the image into the folder again.'
      throw new DeployError('IMAGE_NOT_FOUND', `the image layout ${this.#folder} has no blob ${digest}`, { hint })
    }
    const bytes = verified(createReadStream(this.#blob(digest)), { digest, size }, (got) => mismatch(digest, got))
    return addAbortSignal(signal, Readable.from(bytes))
  }

  async writeBlob(
    repository: string,
    expected: { readonly digest: string; readonly size: number },
    open: () => Readable,
    signal: AbortSignal,
  ): Promise<number> {
    const { digest, size } = expected
    if ((await this.statBlob(repository, digest, signal)) !== null) return 0
    const place = this.#blob(digest)
    await makeFolder(join(place, '..'))
    const upload = await Upload.begin(
      join(this.#folder, 'blobs', `.${randomBytes(8).toString('hex')}`),
      algorithmOf(digest),
    )
    try {
      const source = addAbortSignal(signal, open())
      try {
        await upload.append(streamInflow(source), size)
      } finally {
        source.destroy()
      }
      if (upload.offset !== size) throw mismatch(digest, `${upload.offset} bytes instead of ${size}`)
      await upload.finish(digest, async (path) => {
        await rename(path, place)
        await syncFolder(join(place, '..'))
      })
    } finally {
      await upload.discard()
    }
    return size
  }

  async mountBlob(repository: string, digest: string, _from: string, signal: AbortSignal): Promise<boolean> {
    return (await this.statBlob(repository, digest, signal)) !== null
  }

  async readManifest(_repository: string, reference: string, signal: AbortSignal) {
    const { manifests } = await this.#index()
    const found =
      manifests.find(({ digest, annotations }) => digest === reference || annotations?.[TAG] === reference) ??
      (await this.#below(manifests, reference, signal))
    if (found === null) return null
    const { mediaType, digest, size } = found
    return { descriptor: { mediaType, digest, size }, bytes: await this.#bytes(digest, signal) }
  }

  /** What an index of the layout names, as BuildKit and buildah leave images of several platforms: index.json has the outermost only. */
  async #below(outer: readonly Descriptor[], reference: string, signal: AbortSignal): Promise<Descriptor | null> {
    let level = outer
    for (let depth = 0; depth < MAX_DEPTH && isDigest(reference) && level.length > 0; depth++) {
      const inner: Descriptor[] = []
      for (const { mediaType, digest } of level.filter(isIndex)) {
        const parsed = parseManifest(mediaType, await this.#bytes(digest, signal))
        if (parsed.kind === 'index') inner.push(...parsed.manifests)
      }
      const found = inner.find(({ digest }) => digest === reference)
      if (found !== undefined && (await this.statBlob('', found.digest, signal)) !== null) return found
      level = inner
    }
    return null
  }

  async #bytes(digest: string, signal: AbortSignal): Promise<Buffer> {
    const bytes = await readFile(this.#blob(digest), { signal })
    const got = digestOf(bytes, algorithmOf(digest))
    if (got !== digest) throw mismatch(digest, got)
    return bytes
  }

  async resolveTag(repository: string, tag: string, signal: AbortSignal): Promise<string | null> {
    return (await this.readManifest(repository, tag, signal))?.descriptor.digest ?? null
  }

  async writeManifest(
    repository: string,
    manifest: { readonly mediaType: string; readonly bytes: Uint8Array },
    tags: readonly string[],
    signal: AbortSignal,
  ): Promise<Descriptor> {
    const { mediaType, bytes } = manifest
    const parsed = parseManifest(mediaType, bytes)
    const named = parsed.kind === 'index' ? parsed.manifests : [parsed.config, ...parsed.layers]
    for (const { digest } of named) {
      if ((await this.statBlob(repository, digest, signal)) !== null) continue
      throw new DeployError('IMAGE_INVALID', `the manifest names ${digest}, which is not there`, {
        hint: 'Copy all of the image.',
      })
    }
    // What an index names is found through it.
    const children = new Set(parsed.kind === 'index' ? named.map(({ digest }) => digest) : [])
    const descriptor: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
    await this.writeBlob(repository, descriptor, () => Readable.from([bytes]), signal)
    await this.#change((manifests) => {
      const others = manifests.filter(({ digest, annotations }) => {
        const tag = annotations?.[TAG]
        return tag === undefined ? digest !== descriptor.digest && !children.has(digest) : !tags.includes(tag)
      })
      const named = tags.map((tag) => ({ ...descriptor, annotations: { [TAG]: tag } }))
      const isNamed = named.length > 0 || others.some(({ digest }) => digest === descriptor.digest)
      return [...others, ...(isNamed ? named : [descriptor])]
    })
    return descriptor
  }

  /** Digests of what index.json names, each once. */
  async digests(): Promise<readonly string[]> {
    return [...new Set((await this.#index()).manifests.map(({ digest }) => digest))]
  }

  async tags(_repository: string, signal: AbortSignal): Promise<readonly string[]> {
    signal.throwIfAborted()
    const { manifests } = await this.#index()
    return manifests.flatMap(({ annotations }) => annotations?.[TAG] ?? []).sort()
  }

  async deleteManifest(_repository: string, reference: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted()
    let found = false
    await this.#change((manifests) => {
      const gone = manifests.filter(
        ({ digest, annotations }) => digest === reference || annotations?.[TAG] === reference,
      )
      found = gone.length > 0
      const left = manifests.filter((one) => !gone.includes(one))
      const untagged = isDigest(reference)
        ? []
        : gone.map(({ mediaType, digest, size }) => ({ mediaType, digest, size }))
      return [...left, ...untagged.filter(({ digest }) => left.every((one) => one.digest !== digest))]
    })
    return found
  }

  #blob(digest: string): string {
    if (!isDigest(digest)) throw mismatch(digest, 'no digest')
    return join(this.#folder, 'blobs', ...digest.split(':'))
  }

  async #index(): Promise<Index> {
    const text = await readFile(join(this.#folder, 'index.json'), 'utf8').catch((failed: NodeJS.ErrnoException) => {
      if (failed.code === 'ENOENT') return '{"schemaVersion":2,"manifests":[]}'
      throw failed
    })
    try {
      const index = JSON.parse(text) as Index
      if (Array.isArray(index.manifests) && index.manifests.every(({ digest }) => isDigest(digest))) return index
    } catch {
      // Told below, with what to do.
    }
    throw new DeployError('IMAGE_INVALID', `${this.#folder}/index.json is no index of an image layout`, {
      hint: 'Choose another folder, or remove this one.',
    })
  }

  #change(next: (manifests: readonly Descriptor[]) => readonly Descriptor[]): Promise<void> {
    const turn = this.#turn.then(async () => {
      const index = await this.#index()
      const manifests = next(index.manifests)
      await writeFileAtomic(
        join(this.#folder, 'index.json'),
        JSON.stringify({ ...index, mediaType: 'application/vnd.oci.image.index.v1+json', manifests }),
      ).catch((failed: unknown) => {
        throw diskFull(failed, `writing ${this.#folder}/index.json`)
      })
    })
    this.#turn = turn.catch(() => {})
    return turn
  }
}
