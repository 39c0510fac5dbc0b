import { once } from 'node:events'
import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { RegistryError } from './registry-error.ts'
import { type Exchange, undisturbed } from './exchange.ts'
import { isDiskFull } from '../../model/disk-full.ts'
import type { PullThrough } from '../cache/pull-through.ts'
import type { Reply } from './reply.ts'
import { sendFile } from './send-file.ts'

type BlobTarget = { readonly repository: string; readonly digest: string }

/** HEAD and GET of a blob, whole or in part (RFC 9110, "Range Requests"). */
export async function readBlob(exchange: Exchange, { repository, digest }: BlobTarget) {
  const { request, reply, store, signal } = exchange
  const here = await store.statBlob(repository, digest, signal)
  if (here === null && exchange.cache !== null && exchange.cache.originOf(repository) !== null)
    return readCopy(exchange, exchange.cache, { repository, digest })
  if (here === null) throw blobUnknown(repository, digest)
  const size = here
  describe(reply, digest)
  if (request.method === 'HEAD') return reply.header('Content-Length', size).send()
  const range = parseRange(request.headers.range, size)
  if (range === 'outside') {
    const headers = { 'Content-Range': `bytes */${size}` }
    throw new RegistryError('SIZE_INVALID', `the blob has ${size} bytes`, { status: 416, headers })
  }
  const { start, end } = range ?? { start: 0, end: size - 1 }
  using share = exchange.sendRoom.share()
  const mayStream = () => range === null && share.take(Math.min(size, STREAM_BYTES))
  const handle = size === 0 ? null : await openBlob(exchange, digest, mayStream)
  reply.header('Content-Length', end - start + 1)
  if (range !== null) reply.status(206).header('Content-Range', `bytes ${start}-${end}/${size}`)
  // Awaited here: its share of the room is given back when this ends.
  if (handle === null)
    return await reply.stream(await begun(exchange, await store.readBlob(repository, digest, signal)))
  try {
    await sendFile({ handle, start, end }, reply.head(), exchange.sendRoom)
  } finally {
    await handle.close()
  }
}

/** What a blob that is checked while it goes out holds in memory where its client does not read. */
const STREAM_BYTES = 768 * 1024

/** The file of a blob whose bytes are known to be right. null: they are to be checked while they go out, where `mayStream` says so. */
async function openBlob(exchange: Exchange, digest: string, mayStream: () => boolean): Promise<FileHandle | null> {
  const { store, signal } = exchange
  const checked = await store.openBlob(digest)
  if (checked !== null || mayStream()) return checked
  await undisturbed(exchange, () => store.checkBlob(digest, signal))
  return openBlob(exchange, digest, mayStream)
}

/** A blob of another registry that is not here yet: the whole is sent while it comes, a part (`range`) when it has come. */
async function readCopy(
  exchange: Exchange,
  cache: PullThrough,
  target: BlobTarget,
  range: string | null = exchange.request.headers.range ?? null,
): Promise<void> {
  const { request, reply } = exchange
  const { repository, digest } = target
  if (request.method === 'HEAD') {
    const size = await cache.statBlob(repository, digest)
    if (size === null) throw blobUnknown(repository, digest)
    return describe(reply, digest).header('Content-Length', size).send()
  }
  if (cache.isFull) return pass(exchange, cache, target)
  try {
    await readKept(exchange, cache, target, range)
  } catch (failed) {
    if (!isDiskFull(failed) || reply.sent) throw failed
    await pass(exchange, cache, target)
  }
}

async function readKept(exchange: Exchange, cache: PullThrough, target: BlobTarget, range: string | null) {
  const { reply } = exchange
  const { repository, digest } = target
  const growing = await undisturbed(exchange, () => cache.blob(repository, digest))
  if (growing !== null && range === null) {
    const begin = () => describe(reply, digest).header('Content-Length', growing.size).head()
    if (await growing.sendTo(begin, exchange.sendRoom)) return
  }
  const isHere = await undisturbed(exchange, async () => growing?.stored ?? true)
  // Of what cannot be kept the whole is sent, which whoever asked for a part has to expect (RFC 9110, "Range").
  return isHere ? readBlob(exchange, target) : readCopy(exchange, cache, target, null)
}

/** Sends what there is no room for here on a full disk: the pull goes on. */
async function pass(exchange: Exchange, cache: PullThrough, { repository, digest }: BlobTarget): Promise<void> {
  using share = exchange.sendRoom.share()
  if (!share.take(STREAM_BYTES))
    throw new RegistryError('TOOMANYREQUESTS', 'too much is sent at once', { headers: { 'Retry-After': '5' } })
  const passed = await undisturbed(exchange, () => cache.passed(repository, digest))
  if (passed === null) throw blobUnknown(repository, digest)
  await describe(exchange.reply, digest).header('Content-Length', passed.size).stream(passed.bytes)
}

const describe = (reply: Reply, digest: string): Reply =>
  reply
    .header('Docker-Content-Digest', digest)
    .header('Content-Type', 'application/octet-stream')
    .header('Accept-Ranges', 'bytes')
    .header('ETag', `"${digest}"`)

/** DELETE of a blob. */
export async function deleteBlob({ reply, store, signal }: Exchange, { repository, digest }: BlobTarget) {
  if (!(await store.deleteBlob(repository, digest, signal))) throw blobUnknown(repository, digest)
  return reply.status(202).send()
}

/**
 * One range of bytes, `null` for the whole (no header, or one that we need not honour: several ranges, other units), or
 * `outside`.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | null | 'outside' {
  const match = /^bytes=([0-9]{0,15})-([0-9]{0,15})$/.exec(header ?? '')
  if (match === null) return null
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return null
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  return start > end ? 'outside' : { start, end }
}

/** Waits for the first bytes: a small blob that is damaged is answered with an error, and not with a torn connection. */
async function begun(exchange: Exchange, stream: Readable): Promise<Readable> {
  await undisturbed(exchange, () => once(stream, 'readable'))
  return stream
}

const blobUnknown = (repository: string, digest: string) =>
  new RegistryError('BLOB_UNKNOWN', `${repository} has no blob ${digest}`)
