import { readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isDigest } from '../../model/descriptor.ts'
import { MAX_MANIFEST_BYTES, type ParsedManifest, parseManifest } from '../parse-manifest.ts'
import { readSmallBlob } from './blob-files.ts'
import type { KeyedLock } from './keyed-lock.ts'
import { RepositoryFiles, repositoryNames } from './repository-files.ts'
import { ignoreMissing, type StoreFolder } from './store-folder.ts'

/** What must stay. */
export interface GarbageRequest {
  /** Digests of manifests that stay although no tag names them: those of the releases that are remembered. */
  readonly keep: ReadonlySet<string>
  /** What was written, asked for or named within this time stays: it may belong to a push that has not ended. Default one hour. */
  readonly graceMs?: number
  /** Tags of repositories that begin with `below` go when they were not used for so long. Default: tags stay. */
  readonly expire?: { readonly below: string; readonly unusedMs: number }
  /** Manifests that only these tags lead to count as untagged: repository → tags. For a dry run. Default none. */
  readonly untagged?: ReadonlyMap<string, ReadonlySet<string>>
  /** Only tells what would go. Default false. */
  readonly dryRun?: boolean
}

/** What was deleted, or would be. */
export interface Garbage {
  readonly manifests: number
  readonly blobs: number
  readonly bytes: number
}

const HOUR_MS = 3_600_000
const QUARANTINE_MS = 7 * 24 * HOUR_MS

/**
 * Deletes what neither a tag nor `keep` leads to: manifests (with what refers to them), then blobs. Everything else may go
 * on meanwhile: each file is set aside first and comes back when it was used between the look at its age and the taking.
 */
export async function collectGarbage(
  folder: StoreFolder,
  locks: KeyedLock,
  request: GarbageRequest,
  now: number,
  signal: AbortSignal,
): Promise<Garbage> {
  const before = now - (request.graceMs ?? HOUR_MS)
  const live = new Set<string>()
  const take = request.dryRun === true ? sizeOfUnused : sweep
  let manifests = 0
  for (const repository of await repositoryNames(folder)) {
    signal.throwIfAborted()
    const files = new RepositoryFiles(folder, repository)
    manifests += await locks.run(repository, async () => {
      const untagged = new Set(request.untagged?.get(repository))
      const scope = { folder, repository, files, before, take, untagged }
      if (request.expire !== undefined && repository.startsWith(request.expire.below))
        for (const tag of await expireTags(scope, now - request.expire.unusedMs)) untagged.add(tag)
      return sweepRepository(scope, request.keep, live)
    })
  }
  let blobs = 0
  let bytes = 0
  for await (const digest of storedBlobs(folder)) {
    signal.throwIfAborted()
    const freed = live.has(digest) ? null : await take(folder, folder.blobPath(digest), before)
    if (freed !== null) blobs++
    bytes += freed ?? 0
  }
  for (const name of await readdir(join(folder.root, 'quarantine'))) {
    bytes += (await take(folder, join(folder.root, 'quarantine', name), now - QUARANTINE_MS)) ?? 0
  }
  return { manifests, blobs, bytes }
}

/** One repository under collection; what was last used at `before` or earlier may go. */
interface Scope {
  readonly folder: StoreFolder
  readonly repository: string
  readonly files: RepositoryFiles
  readonly before: number
  readonly take: typeof sweep
  /** Tags that are gone, or count as gone. */
  readonly untagged: ReadonlySet<string>
}

/** Deletes what is dead in one repository, and adds to `live` what it still has. Answers how many manifests went. */
async function sweepRepository(scope: Scope, keep: ReadonlySet<string>, live: Set<string>): Promise<number> {
  const { folder, repository, files, before, take } = scope
  const named = await walk(files, folder, await roots(scope, keep))
  let removed = 0
  for (const digest of await files.marks('_manifests')) {
    const gone = named?.manifests.has(digest) === false && (await sweepManifest(scope, digest))
    if (gone) removed++
    else live.add(digest)
  }
  for (const digest of await files.marks('_blobs')) {
    const dead = named?.blobs.has(digest) === false
    const freed = dead ? await take(folder, folder.markPath(repository, '_blobs', digest), before) : null
    if (freed === null) live.add(digest)
  }
  return removed
}

async function expireTags({ folder, repository, files, take }: Scope, before: number): Promise<readonly string[]> {
  const expired: string[] = []
  for (const tag of await files.tags())
    if ((await take(folder, folder.tagPath(repository, tag), before)) !== null) expired.push(tag)
  return expired
}

async function sweepManifest(scope: Scope, digest: string): Promise<boolean> {
  const { folder, repository, files, before, take } = scope
  const manifest = await readParsed(folder, files, digest)
  if ((await take(folder, folder.markPath(repository, '_manifests', digest), before)) === null) return false
  const subject = manifest === null || manifest === 'damaged' ? null : manifest.subject
  if (subject !== null && take === sweep) await files.removeReferrer(subject.digest, digest)
  return true
}

/** Manifests that stay for their own sake: tagged, kept, or young. */
async function roots(
  { folder, repository, files, before, untagged }: Scope,
  keep: ReadonlySet<string>,
): Promise<string[]> {
  const found: string[] = []
  for (const tag of await files.tags()) {
    const digest = untagged.has(tag) ? null : await files.tag(tag)
    if (digest !== null) found.push(digest)
  }
  for (const digest of await files.marks('_manifests')) {
    const mark = await stat(folder.markPath(repository, '_manifests', digest)).catch(ignoreMissing)
    if (keep.has(digest) || (mark !== null && mark.mtimeMs > before)) found.push(digest)
  }
  return found
}

interface Named {
  readonly manifests: Set<string>
  readonly blobs: Set<string>
}

/** What the roots lead to. null: a manifest on the way is damaged, so that nothing may be called dead. */
async function walk(files: RepositoryFiles, folder: StoreFolder, waiting: string[]): Promise<Named | null> {
  const named: Named = { manifests: new Set(), blobs: new Set() }
  for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
    if (named.manifests.has(digest)) continue
    named.manifests.add(digest)
    const manifest = await readParsed(folder, files, digest)
    if (manifest === 'damaged') return null
    if (manifest === null) continue
    waiting.push(...(await files.referrers(digest)))
    if (manifest.kind === 'index') waiting.push(...manifest.manifests.map((child) => child.digest))
    else for (const blob of [manifest.config, ...manifest.layers]) named.blobs.add(blob.digest)
  }
  return named
}

/** A manifest of the repository; null when it is not there. */
async function readParsed(
  folder: StoreFolder,
  files: RepositoryFiles,
  digest: string,
): Promise<ParsedManifest | 'damaged' | null> {
  const mediaType = await files.manifestType(digest)
  if (mediaType === null) return null
  try {
    const bytes = await readSmallBlob(folder, digest, MAX_MANIFEST_BYTES)
    return bytes === null ? null : parseManifest(mediaType, bytes)
  } catch {
    return 'damaged'
  }
}

/** Deletes a file that was last used at `before` or earlier; answers its size, or null when it stays. */
async function sweep(folder: StoreFolder, path: string, before: number): Promise<number | null> {
  const found = await stat(path).catch(ignoreMissing)
  if (found === null || found.mtimeMs > before) return null
  const aside = folder.temporaryPath()
  if ((await rename(path, aside).then(() => true, ignoreMissing)) === null) return null
  const again = await stat(aside)
  if (again.mtimeMs > before) {
    await rename(aside, path)
    return null
  }
  await rm(aside, { force: true })
  return found.size
}

/** What `sweep` would answer. */
async function sizeOfUnused(_folder: StoreFolder, path: string, before: number): Promise<number | null> {
  const found = await stat(path).catch(ignoreMissing)
  return found === null || found.mtimeMs > before ? null : found.size
}

async function* storedBlobs(folder: StoreFolder): AsyncGenerator<string, void> {
  for (const algorithm of ['sha256', 'sha512']) {
    for (const shard of (await readdir(join(folder.root, 'blobs', algorithm)).catch(ignoreMissing)) ?? []) {
      for (const hex of (await readdir(join(folder.root, 'blobs', algorithm, shard)).catch(ignoreMissing)) ?? []) {
        if (isDigest(`${algorithm}:${hex}`)) yield `${algorithm}:${hex}`
      }
    }
  }
}
