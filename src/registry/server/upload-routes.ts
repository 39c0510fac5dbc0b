import { isRepository } from '../../model/reference.ts'
import type { DigestAlgorithm } from '../digest.ts'
import type { Upload } from '../disk/upload.ts'
import { type Exchange, paced, undisturbed } from './exchange.ts'
import { checkDigest } from './parse-target.ts'
import { answering, RegistryError } from './registry-error.ts'

type UploadTarget = { readonly repository: string; readonly id: string }

/** POST to uploads: mounts a blob, takes a whole one, or begins an upload. */
export async function beginUpload(exchange: Exchange, { repository }: { readonly repository: string }) {
  const { reply, store, query } = exchange
  const mount = query.get('mount')
  if (mount !== null) {
    const digest = checkDigest(mount)
    const had = await exchange.quota?.has(repository, digest)
    const mounted = await mountFrom(exchange, repository, digest, query.get('from'))
    if (mounted && had === false) await holdToQuota(exchange, repository, digest)
    if (mounted) return created(exchange, repository, digest)
  }
  const whole = query.get('digest')
  const algorithm = algorithmWanted(whole ?? query.get('digest-algorithm'))
  if (whole !== null) checkDigest(whole)
  const id = await store.uploads.begin(repository, algorithm, exchange.visitor.name)
  if (id === null)
    throw new RegistryError('TOOMANYREQUESTS', 'too many uploads are open', { headers: { 'Retry-After': '5' } })
  const upload = openUpload(exchange, { repository, id })
  if (whole !== null) return takeWhole(exchange, { repository, id }, upload, whole)
  return progress(reply.status(202), { repository, id }, upload)
}

/**
 * Without `from`, any repository will do (distribution specification, "Mounting a blob"): any that the visitor may pull from, or
 * whoever knows a digest could read what is not his.
 */
async function mountFrom(exchange: Exchange, repository: string, digest: string, from: string | null) {
  const { store, visitor, signal } = exchange
  if (from !== null) {
    const mayPull = isRepository(from) && visitor.may(from, 'pull')
    return mayPull && store.mountBlob(repository, digest, from, signal)
  }
  if (visitor.mounts === 'all') return store.mountAnyBlob(repository, digest, signal)
  const seen = visitor.mounts === 'those that it sees' ? await store.repositories() : visitor.mounts
  for (const name of seen) {
    if (visitor.sees(name) && (await store.mountBlob(repository, digest, name, signal))) return true
  }
  return false
}

/** A mount brings no bytes, but its repository has them: it is taken back where there is no room. Only who may mount it is told. */
async function holdToQuota({ quota, store, signal }: Exchange, repository: string, digest: string): Promise<void> {
  if (quota === null || (await quota.room(repository)) >= 0) return
  await store.deleteBlob(repository, digest, signal)
  throw await quota.refusal(repository, (await store.statBlob(repository, digest, signal)) ?? 0)
}

/** PATCH: the next bytes. */
export async function appendToUpload(exchange: Exchange, target: UploadTarget) {
  const upload = openUpload(exchange, target)
  await receive(exchange, target, upload, null)
  return progress(exchange.reply.status(202), target, upload)
}

/** PUT: the last bytes, if any, and the digest of all. */
export async function finishUpload(exchange: Exchange, target: UploadTarget) {
  const upload = openUpload(exchange, target)
  return finish(exchange, target, upload, checkDigest(exchange.query.get('digest')))
}

/** GET: how far the upload is. */
export async function readUpload(exchange: Exchange, target: UploadTarget) {
  return progress(exchange.reply.status(204), target, openUpload(exchange, target))
}

/** DELETE: forget the upload. */
export async function cancelUpload(exchange: Exchange, target: UploadTarget) {
  openUpload(exchange, target)
  await exchange.store.uploads.end(target.id)
  return exchange.reply.status(204).send()
}

/** A whole blob in one request: its upload has no name that the client knows, so it ends with the request. */
async function takeWhole(exchange: Exchange, target: UploadTarget, upload: Upload, digest: string) {
  try {
    return await finish(exchange, target, upload, digest)
  } finally {
    await exchange.store.uploads.end(target.id)
  }
}

async function finish(exchange: Exchange, target: UploadTarget, upload: Upload, digest: string) {
  await receive(exchange, target, upload, digest)
  try {
    const { store, quota } = exchange
    const { repository } = target
    const placing = () => undisturbed(exchange, () => store.finishUpload(repository, upload, digest))
    await (quota === null ? placing() : quota.admit(repository, digest, upload.offset, placing))
  } finally {
    await exchange.store.uploads.end(target.id)
  }
  return created(exchange, target.repository, digest)
}

/** Takes the body of the request; `digest`: of all, where it is known already. A broken connection leaves what had come, so that the client can go on from there. */
async function receive(exchange: Exchange, target: UploadTarget, upload: Upload, digest: string | null): Promise<void> {
  const { request, limits } = exchange
  const most = Math.min(limits.maxBlobBytes, await roomFor(exchange, target, upload, digest))
  if (upload.appending) {
    throw new RegistryError('BLOB_UPLOAD_INVALID', 'another request is sending to this upload', { status: 409 })
  }
  const range = request.headers['content-range']
  const expected = Number(request.headers['content-length'] ?? Number.NaN)
  if (range !== undefined) checkContentRange(range, expected, target, upload)
  if (upload.offset + (expected || 0) > limits.maxBlobBytes) {
    throw new RegistryError('SIZE_INVALID', `a blob may have ${limits.maxBlobBytes} bytes`, { status: 413 })
  }
  if (upload.offset + (expected || 0) > most) throw await overQuota(exchange, target, expected || 0)
  const append = () => upload.append(exchange.body, most)
  const taking = answering('IMAGE_INVALID', 'SIZE_INVALID', paced(exchange, append))
  await taking.catch(async (failed: unknown) => {
    const isQuota = failed instanceof RegistryError && failed.code === 'SIZE_INVALID' && most < limits.maxBlobBytes
    throw isQuota ? await overQuota(exchange, target, most + 1) : failed
  })
}

/** Its bytes do not take room away from what would fit: the upload is over. */
async function overQuota({ store, quota }: Exchange, { repository, id }: UploadTarget, bytes: number) {
  await store.uploads.end(id)
  return quota?.refusal(repository, bytes)
}

/** The most that an upload may have by the quota. What other uploads have brought so far counts. */
async function roomFor(
  { quota }: Exchange,
  { repository }: UploadTarget,
  upload: Upload,
  digest: string | null,
): Promise<number> {
  if (quota === null) return Number.POSITIVE_INFINITY
  if (digest !== null && (await quota.has(repository, digest))) return Number.POSITIVE_INFINITY
  return quota.roomFor(repository, upload)
}

/** `START-END` of a chunk (distribution specification, "Pushing a blob in chunks"): chunks come in order. */
function checkContentRange(header: string, length: number, target: UploadTarget, upload: Upload): void {
  const match = /^(?:bytes )?([0-9]{1,15})-([0-9]{1,15})(?:\/.*)?$/.exec(header)
  const [start, end] = [Number(match?.[1]), Number(match?.[2])]
  if (match === null || start !== upload.offset || (!Number.isNaN(length) && end - start + 1 !== length)) {
    throw new RegistryError('BLOB_UPLOAD_INVALID', `the next chunk begins at ${upload.offset}`, {
      status: 416,
      headers: { Location: location(target), Range: rangeOf(upload) },
    })
  }
}

function openUpload({ store }: Exchange, { repository, id }: UploadTarget): Upload {
  const upload = store.uploads.get(repository, id)
  if (upload === null) throw new RegistryError('BLOB_UPLOAD_UNKNOWN', 'there is no such upload: begin again')
  return upload
}

function progress(reply: Exchange['reply'], target: UploadTarget, upload: Upload) {
  reply.header('Location', location(target)).header('Range', rangeOf(upload)).header('Docker-Upload-UUID', target.id)
  return reply.send()
}

function created({ reply }: Exchange, repository: string, digest: string) {
  reply.status(201).header('Location', `/v2/${repository}/blobs/${digest}`).header('Docker-Content-Digest', digest)
  return reply.send()
}

const location = ({ repository, id }: UploadTarget) => `/v2/${repository}/blobs/uploads/${id}`
const rangeOf = (upload: Upload) => `0-${Math.max(0, upload.offset - 1)}`
const algorithmWanted = (text: string | null): DigestAlgorithm => (text?.startsWith('sha512') ? 'sha512' : 'sha256')
