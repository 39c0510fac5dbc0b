import { stat } from 'node:fs/promises'
import { MAX_MANIFEST_BYTES, type ParsedManifest, parseManifest } from '../parse-manifest.ts'
import { readSmallBlob } from './blob-files.ts'
import type { RepositoryFiles } from './repository-files.ts'
import { ignoreMissing, type StoreFolder, TOUCH_MS } from './store-folder.ts'

/** One repository, and what stays in it for its own sake. */
export interface Scope {
  readonly folder: StoreFolder
  readonly repository: string
  readonly files: RepositoryFiles
  /** Manifests that stay although no tag names them. */
  readonly keep: ReadonlySet<string>
  readonly nowMs: number
  /** What was last used at this time or earlier is not kept for its youth. */
  readonly before: number
  /** Tags that are gone, or count as gone. */
  readonly untagged: ReadonlySet<string>
}

/** What stays in a repository. */
interface Reachable {
  readonly manifests: ReadonlySet<string>
  readonly blobs: ReadonlySet<string>
}

/** A tag or a manifest that cannot be followed: it is damaged or lost, so that nothing of its repository may be called dead. */
export interface Broken {
  /** `the tag v1`, `the manifest sha256:…`. */
  readonly broken: string
}

/** What tags, kept and young manifests lead to: manifests of an index, blobs, and what refers to any of them. */
export async function reachable(scope: Scope): Promise<Reachable | Broken> {
  const waiting = await roots(scope)
  if ('broken' in waiting) return waiting
  const manifests = new Set<string>()
  const blobs = new Set<string>()
  for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
    if (manifests.has(digest)) continue
    manifests.add(digest)
    const manifest = await readParsed(scope, digest)
    if (manifest === 'damaged') return { broken: `the manifest ${digest}` }
    // Its index is sparse: it was never here, or its deletion was asked for.
    if (manifest === null) continue
    const named = [...(await scope.files.referrers(digest)), ...namedManifests(manifest)]
    // One by one: there may be more than a call can have arguments.
    for (const next of named) waiting.push(next)
    for (const blob of namedBlobs(manifest)) blobs.add(blob)
  }
  return { manifests, blobs }
}

const namedManifests = (manifest: ParsedManifest): readonly string[] =>
  manifest.kind === 'index' ? manifest.manifests.map((child) => child.digest) : []

const namedBlobs = (manifest: ParsedManifest): readonly string[] =>
  manifest.kind === 'image' ? [manifest.config, ...manifest.layers].map((blob) => blob.digest) : []

/** Manifests that stay for their own sake: tagged, kept, or young. Only damage can bring about a tag that leads nowhere. */
async function roots({ folder, repository, files, keep, before, untagged }: Scope): Promise<string[] | Broken> {
  const found: string[] = []
  for (const tag of await files.tags()) {
    if (untagged.has(tag)) continue
    const digest = await files.tag(tag)
    if (digest === null || (await files.manifestType(digest)) === null) return { broken: `the tag ${tag}` }
    found.push(digest)
  }
  for (const digest of await files.marks('_manifests')) {
    const mark = await stat(folder.markPath(repository, '_manifests', digest)).catch(ignoreMissing)
    if (keep.has(digest) || (mark !== null && mark.mtimeMs > before - TOUCH_MS)) found.push(digest)
  }
  return found
}

/** A manifest of the repository; null when the repository does not have it. Where its bytes are gone, it is damaged. */
async function readParsed({ folder, files, nowMs }: Scope, digest: string): Promise<ParsedManifest | 'damaged' | null> {
  const mediaType = await files.manifestType(digest)
  if (mediaType === null) return null
  try {
    const bytes = await readSmallBlob(folder, digest, MAX_MANIFEST_BYTES, nowMs)
    return bytes === null ? 'damaged' : parseManifest(mediaType, bytes)
  } catch {
    return 'damaged'
  }
}
