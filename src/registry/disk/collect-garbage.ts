import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isDigest } from '../../model/descriptor.ts'
import type { SparedRepository } from '../../model/registry-keeping.ts'
import { syncFolder } from '../../os/atomic-file.ts'
import type { KeyedLock } from './keyed-lock.ts'
import { reachable, type Scope } from './reachable.ts'
import { RepositoryFiles, repositoryNames } from './repository-files.ts'
import { ignoreMissing, sizeOfUnused, type StoreFolder } from './store-folder.ts'

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
  /** Repositories of which nothing may go, because something of them is damaged. */
  readonly spared: readonly SparedRepository[]
}

/** Where garbage is collected. */
interface Ground {
  readonly folder: StoreFolder
  /** By repository: manifests are put under the same. */
  readonly locks: KeyedLock
  /** Called for each tag and manifest that has gone. */
  readonly forget: (repository: string, reference: string) => void
}

/** Wall clock. */
export interface GarbageTimes {
  readonly nowMs: number
  /** When the oldest upload in progress began; null: none is. */
  readonly oldestUploadMs: number | null
}

const HOUR_MS = 3_600_000
const QUARANTINE_MS = 7 * 24 * HOUR_MS
/** An upload that began earlier holds nothing back: whoever trickles bytes cannot stop collections for ever (A14). */
const LONGEST_PUSH_MS = 24 * HOUR_MS

/**
 * Deletes what neither a tag nor `keep` leads to: manifests (with what refers to them), then blobs. Everything else may go
 * on meanwhile. What makes that safe: a repository is swept under the lock that a manifest is put under; whatever is asked for,
 * mounted, uploaded or named is marked as used, and a file is looked at and deleted in one step that excludes its use; what was used
 * since `graceMs` before the oldest upload in progress began stays, so that a push with a large layer keeps its small ones.
 * Killed anywhere it leaves what it would have deleted, and nothing half: marks go first, durably, then what they named.
 */
export async function collectGarbage(
  { folder, locks, forget }: Ground,
  request: GarbageRequest,
  { nowMs, oldestUploadMs }: GarbageTimes,
  signal: AbortSignal,
): Promise<Garbage> {
  const since = Math.max(Math.min(nowMs, oldestUploadMs ?? nowMs), nowMs - LONGEST_PUSH_MS)
  const before = since - (request.graceMs ?? HOUR_MS)
  const live = new Set<string>()
  const dryRun = request.dryRun === true
  const take: Take = dryRun ? sizeOfUnused : (path, at) => folder.removeUnused(path, at)
  const spared: SparedRepository[] = []
  let manifests = 0
  for (const repository of await repositoryNames(folder)) {
    signal.throwIfAborted()
    const files = new RepositoryFiles(folder, repository)
    manifests += await locks.run(repository, async () => {
      const untagged = new Set(request.untagged?.get(repository))
      const sweep = { folder, repository, files, keep: request.keep, nowMs, before, take, dryRun, untagged, forget }
      if (request.expire !== undefined && repository.startsWith(request.expire.below))
        for (const tag of await expireTags(sweep, nowMs - request.expire.unusedMs)) untagged.add(tag)
      return sweepRepository(sweep, live, spared)
    })
  }
  let blobs = 0
  let bytes = 0
  for await (const digest of storedBlobs(folder)) {
    signal.throwIfAborted()
    const freed = live.has(digest) ? null : await take(folder.blobPath(digest), before)
    if (freed !== null) blobs++
    bytes += freed ?? 0
  }
  for (const name of await readdir(join(folder.root, 'quarantine'))) {
    bytes += (await take(join(folder.root, 'quarantine', name), nowMs - QUARANTINE_MS)) ?? 0
  }
  return { manifests, blobs, bytes, spared }
}

/** Deletes a file, or in a dry run only says so: its size, or null when it stays. */
type Take = (path: string, before: number) => Promise<number | null>

/** One repository under collection. */
interface Sweep extends Scope {
  readonly take: Take
  readonly dryRun: boolean
  readonly forget: Ground['forget']
}

/** Deletes what is dead in one repository, and adds to `live` what it still has, to `spared` itself where something of it is damaged. Answers how many manifests went. */
async function sweepRepository(sweep: Sweep, live: Set<string>, spared: SparedRepository[]): Promise<number> {
  const { folder, repository, files, dryRun } = sweep
  const found = await reachable(sweep)
  const named = 'broken' in found ? null : found
  if ('broken' in found) spared.push({ repository, broken: found.broken })
  const manifests = await sweepMarks(sweep, '_manifests', named?.manifests ?? null, live)
  const blobs = await sweepMarks(sweep, '_blobs', named?.blobs ?? null, live)
  if (dryRun) return manifests
  const referrers = await sweepReferrers(sweep)
  if (manifests + blobs > 0) await syncMarks(folder.repositoryPath(repository))
  if (manifests + blobs + referrers > 0 || (await isBare(files))) await folder.removeEmptyRepository(repository)
  return manifests
}

/** `named` null: nothing may be called dead. */
async function sweepMarks(
  { folder, repository, files, before, take, forget }: Sweep,
  kind: '_manifests' | '_blobs',
  named: ReadonlySet<string> | null,
  live: Set<string>,
): Promise<number> {
  let taken = 0
  for (const digest of await files.marks(kind)) {
    const dead = named?.has(digest) === false
    const freed = dead ? await take(folder.markPath(repository, kind, digest), before) : null
    if (freed === null) {
      live.add(digest)
      continue
    }
    taken++
    if (kind === '_manifests') forget(repository, digest)
  }
  return taken
}

/** Deletes the marks of referrers that are gone: just now, or by a process that was killed after it. */
async function sweepReferrers({ folder, repository, files, before, take }: Sweep): Promise<number> {
  let taken = 0
  for (const [subject, digest] of await files.allReferrers()) {
    if ((await files.manifestType(digest)) !== null) continue
    if ((await take(folder.referrerPath(repository, subject, digest), before)) !== null) taken++
  }
  return taken
}

async function isBare(files: RepositoryFiles): Promise<boolean> {
  const lists = [files.tags(), files.marks('_manifests'), files.marks('_blobs')]
  return (await Promise.all(lists)).every((names) => names.length === 0)
}

/** That a mark is gone is on the disk before what it stood for goes: after a power cut no mark stands for nothing. */
async function syncMarks(repository: string): Promise<void> {
  for (const kind of ['_manifests', '_blobs'])
    for (const algorithm of ['sha256', 'sha512'])
      await syncFolder(join(repository, kind, algorithm)).catch(ignoreMissing)
}

async function expireTags(
  { folder, repository, files, take, forget }: Sweep,
  before: number,
): Promise<readonly string[]> {
  const expired: string[] = []
  for (const tag of await files.tags()) {
    if ((await take(folder.tagPath(repository, tag), before)) === null) continue
    expired.push(tag)
    forget(repository, tag)
  }
  return expired
}

/** Digests of everything that is stored, whoever has it. */
export async function* storedBlobs(folder: StoreFolder): AsyncGenerator<string, void> {
  for (const algorithm of ['sha256', 'sha512']) {
    for (const shard of (await readdir(join(folder.root, 'blobs', algorithm)).catch(ignoreMissing)) ?? []) {
      for (const hex of (await readdir(join(folder.root, 'blobs', algorithm, shard)).catch(ignoreMissing)) ?? []) {
        if (isDigest(`${algorithm}:${hex}`)) yield `${algorithm}:${hex}`
      }
    }
  }
}
