import { setTimeout as after } from 'node:timers'
import { mediaTypeOf, MAX_MANIFEST_BYTES, parseManifest } from '../parse-manifest.ts'
import { digestOf } from '../digest.ts'
import { isTag } from '../../model/reference.ts'
import type { HeldManifest } from '../disk/held-manifests.ts'
import type { ByteShare } from './byte-room.ts'
import { bodyOf, type Exchange } from './exchange.ts'
import { API_VERSION } from './reply.ts'
import { answering, RegistryError } from './registry-error.ts'

type ManifestTarget = { readonly repository: string; readonly reference: string }

/** HEAD and GET of a manifest. */
export async function readManifest(exchange: Exchange, { repository, reference }: ManifestTarget) {
  const { request, reply, store } = exchange
  const isCopy = exchange.cache !== null && exchange.cache.originOf(repository) !== null
  const held = isCopy ? null : store.heldManifest(repository, reference)
  const found = held ?? (await (isCopy ? copied : lookUp)(exchange, repository, reference))
  const { digest } = found.descriptor
  const known = request.headers['if-none-match'] === `"${digest}"`
  if (known) return reply.header('Docker-Content-Digest', digest).header('ETag', `"${digest}"`).status(304).send()
  reply.prepared(headOf(found), request.method === 'HEAD' ? null : found.bytes)
}

/** A manifest of another registry, as it is there now, or with a warning where that cannot be told. */
async function copied({ cache, reply }: Exchange, repository: string, reference: string): Promise<HeldManifest> {
  const found = (await cache?.manifest(repository, reference)) ?? null
  if (found === null) throw manifestUnknown(repository, reference)
  if (found.warning !== null) reply.raw.setHeader('Warning', found.warning)
  return found.manifest
}

async function lookUp({ store, signal }: Exchange, repository: string, reference: string): Promise<HeldManifest> {
  const found = await answering('STORE_CORRUPT', 'MANIFEST_UNKNOWN', store.readManifest(repository, reference, signal))
  if (found === null) throw manifestUnknown(repository, reference)
  return found
}

/** Headers of manifests in memory: most requests to a registry are for one that was asked for a moment ago. */
const heads = new WeakMap<HeldManifest, readonly string[]>()

function headOf(manifest: HeldManifest): readonly string[] {
  const { mediaType, digest, size } = manifest.descriptor
  const made = heads.get(manifest) ?? [
    ...API_VERSION,
    ...['Content-Type', mediaType],
    ...['Docker-Content-Digest', digest],
    ...['ETag', `"${digest}"`],
    ...['Content-Length', String(size)],
  ]
  heads.set(manifest, made)
  return made
}

/** PUT of a manifest, under a tag or its digest; `?tag=` adds tags. */
export async function writeManifest(exchange: Exchange, { repository, reference }: ManifestTarget) {
  const { request, reply, store, query, signal } = exchange
  const tags = query.getAll('tag')
  for (const tag of tags) if (!isTag(tag)) throw new RegistryError('MANIFEST_INVALID', 'tag= names no tag')
  using share = exchange.room.share()
  const bytes = await readBody(exchange, share)
  const mediaType = request.headers['content-type']?.split(';')[0]?.trim() ?? mediaTypeOf(bytes)
  const byDigest = reference.includes(':')
  const digest = byDigest ? reference : digestOf(bytes)
  const manifest = { mediaType, bytes, digest, sparse: true }
  const allTags = byDigest ? tags : [reference, ...tags]
  const put = () => store.putManifest(repository, manifest, allTags, signal)
  const { quota } = exchange
  const putting = quota === null ? put() : quota.admit(repository, digest, bytes.length, put)
  const { missing } = await answering('IMAGE_NOT_FOUND', 'MANIFEST_BLOB_UNKNOWN', putting)
  reply.status(201).header('Location', `/v2/${repository}/manifests/${digest}`).header('Docker-Content-Digest', digest)
  const { subject } = parseManifest(mediaType, bytes)
  if (subject !== null) reply.header('OCI-Subject', subject.digest)
  if (tags.length > 0) reply.header('OCI-Tag', tags)
  // "Warnings" of the distribution specification: clients show the text to whoever pushes.
  if (missing.length > 0) reply.header('Warning', missingWarning(repository, missing))
  return reply.send()
}

/** DELETE of a manifest by digest, or of a tag. */
export async function deleteManifest({ reply, store, signal }: Exchange, { repository, reference }: ManifestTarget) {
  if (!(await store.deleteManifest(repository, reference, signal))) throw manifestUnknown(repository, reference)
  return reply.status(202).send()
}

/** The body as a whole, at most MAX_MANIFEST_BYTES and within the time that a manifest may take. */
async function readBody({ request, limits }: Exchange, share: ByteShare): Promise<Uint8Array> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_MANIFEST_BYTES) throw tooLarge()
  const timer = after(() => request.destroy(), limits.manifestMs)
  const pieces: Uint8Array[] = []
  let size = 0
  try {
    for await (const piece of bodyOf(request)) {
      size += piece.length
      if (size > MAX_MANIFEST_BYTES) throw tooLarge()
      if (!share.take(piece.length)) throw tooMany()
      pieces.push(piece)
    }
  } finally {
    clearTimeout(timer)
  }
  return Buffer.concat(pieces)
}

const tooMany = () =>
  new RegistryError('TOOMANYREQUESTS', 'too many manifests arrive at once', { headers: { 'Retry-After': '1' } })

const tooLarge = () =>
  new RegistryError('MANIFEST_INVALID', `a manifest may have ${MAX_MANIFEST_BYTES} bytes`, { status: 413 })

/** How many digests a warning names before it counts the rest. */
const NAMED = 3

function missingWarning(repository: string, missing: readonly string[]): string {
  const rest = missing.length > NAMED ? ` and ${missing.length - NAMED} more` : ''
  return `299 - "${repository} lacks ${missing.slice(0, NAMED).join(', ')}${rest}, which this manifest names"`
}

const manifestUnknown = (repository: string, reference: string) =>
  new RegistryError('MANIFEST_UNKNOWN', `${repository} has no manifest ${reference}`)
