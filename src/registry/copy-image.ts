import { Readable } from 'node:stream'
import type { Descriptor, Platform } from '../model/descriptor.ts'
import type { ContentStore } from './content-store.ts'
import { findImage, findManifest, type FoundManifest, MAX_DEPTH } from './find-manifest.ts'
import { invalid, isForeign } from './parse-manifest.ts'

/** Blobs that travel at a time. */
const PARALLEL = 4
/** Manifests that one index may lead to (A7: nested indexes). */
const MAX_MANIFESTS = 1000

/** What to copy from where to where. */
export interface CopyRequest {
  readonly from: { readonly store: ContentStore; readonly repository: string; readonly reference: string }
  readonly to: { readonly store: ContentStore; readonly repository: string; readonly tags: readonly string[] }
  /** Of an index, only the image for this platform. null: the whole index with all that it names. */
  readonly platform: Platform | null
  /** Repositories of the destination's store that may have a blob: it is mounted from there. */
  readonly mountFrom?: (digest: string) => Promise<readonly string[]>
}

/** What was copied, and how much of it travelled. */
export interface CopyResult {
  /** Of what was tagged: the image, or the index. */
  readonly descriptor: Descriptor
  /** Bytes of blobs that were sent; 0 when all of them were there. */
  readonly sentBytes: number
}

/** Copies an image between two stores; only what is missing travels, and a manifest goes when all that it names is there. */
export async function copyImage(request: CopyRequest, signal: AbortSignal): Promise<CopyResult> {
  const { from, to, platform } = request
  const root =
    platform === null
      ? await findManifest(from.store, from.repository, from.reference, signal)
      : await findImage(from.store, from.repository, from.reference, platform, signal)
  const manifests = await below(request, root, signal)
  const blobs = new Map<string, Descriptor>()
  for (const { parsed } of manifests) {
    if (parsed.kind === 'index') continue
    for (const blob of [parsed.config, ...parsed.layers]) if (!isForeign(blob)) blobs.set(blob.digest, blob)
  }
  const sentBytes = await copyBlobs([...blobs.values()], (blob, abort) => copyBlob(request, blob, abort), signal)
  for (const manifest of manifests) {
    const tags = manifest === root ? to.tags : []
    const { descriptor, bytes } = manifest
    await to.store.writeManifest(to.repository, { mediaType: descriptor.mediaType, bytes }, tags, signal)
  }
  return { descriptor: root.descriptor, sentBytes }
}

/** The root and every manifest that it leads to, each once, children before parents. */
async function below(
  { from }: CopyRequest,
  root: FoundManifest,
  signal: AbortSignal,
): Promise<readonly FoundManifest[]> {
  const seen = new Set<string>()
  const ordered: FoundManifest[] = []
  const visit = async (manifest: FoundManifest, depth: number): Promise<void> => {
    seen.add(manifest.descriptor.digest)
    if (seen.size > MAX_MANIFESTS) throw invalid(`the index leads to more than ${MAX_MANIFESTS} manifests`)
    if (depth > MAX_DEPTH) throw invalid(`the indexes lie more than ${MAX_DEPTH} deep in one another`)
    for (const child of manifest.parsed.kind === 'index' ? manifest.parsed.manifests : []) {
      if (seen.has(child.digest)) continue
      await visit(await findManifest(from.store, from.repository, child.digest, signal), depth + 1)
    }
    ordered.push(manifest)
  }
  await visit(root, 0)
  return ordered
}

/** Copies blobs, several at a time; the first failure stops the others. Answers the sum of what `copy` answers. */
export async function copyBlobs(
  blobs: readonly Descriptor[],
  copy: (blob: Descriptor, signal: AbortSignal) => Promise<number>,
  signal: AbortSignal,
): Promise<number> {
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  let sent = 0
  const waiting = blobs.values()
  const worker = async () => {
    for (const blob of waiting) {
      const bytes = await copy(blob, both)
      sent += bytes
    }
  }
  const workers = Array.from({ length: PARALLEL }, worker)
  try {
    await Promise.all(workers)
  } catch (failed) {
    stop.abort(failed)
    // Nobody writes any more when the failure is told.
    await Promise.allSettled(workers)
    throw failed
  }
  return sent
}

async function copyBlob({ from, to, mountFrom }: CopyRequest, blob: Descriptor, signal: AbortSignal): Promise<number> {
  // A store that is written to asks by itself whether the blob is there: asked here as well, each would cost a way more.
  const { repository } = to
  if (from.store === to.store) {
    const isThere = (await to.store.statBlob(repository, blob.digest, signal)) !== null
    if (isThere || (await to.store.mountBlob(repository, blob.digest, from.repository, signal))) return 0
  }
  for (const other of (await mountFrom?.(blob.digest)) ?? []) {
    if (other !== repository && (await to.store.mountBlob(repository, blob.digest, other, signal))) return 0
  }
  return to.store.writeBlob(repository, blob, opener(from, blob.digest, signal), signal)
}

/** Opens a blob of a store only when its first byte is wanted. */
export const opener = (from: Omit<CopyRequest['from'], 'reference'>, digest: string, signal: AbortSignal) => () =>
  Readable.from(piecesOf(from, digest, signal), { objectMode: false })

async function* piecesOf(
  { store, repository }: Omit<CopyRequest['from'], 'reference'>,
  digest: string,
  signal: AbortSignal,
) {
  yield* await store.readBlob(repository, digest, signal)
}
