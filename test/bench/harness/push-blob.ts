import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import type { Measured } from './registries.ts'

const exec = promisify(execFile)
/** What Go copies at once, and so the size of the chunks in which docker, skopeo and podman push. */
const GO_CHUNK = 32 * 1024

/** A file that is pushed as a blob. */
export interface BlobFile {
  readonly path: string
  readonly digest: string
}

/** Pushes a file as one blob, with a client that costs little: the machine may have few processors for both sides. */
export async function putWhole({ host }: Measured, { path, digest }: BlobFile): Promise<void> {
  const location = await begin(host)
  location.searchParams.set('digest', digest)
  const [status] = await send(path, location)
  if (status !== '201') throw new Error(`${host} answered ${status} to a push`)
}

/** Pushes a file without telling how long it is, and its digest afterwards. */
export async function patchInChunks({ host }: Measured, { path, digest }: BlobFile): Promise<void> {
  const chunked = ['-X', 'PATCH', '-H', 'Transfer-Encoding: chunked', '-H', 'Content-Type: application/octet-stream']
  const [status, next = ''] = await send(path, await begin(host), chunked)
  await endStream(host, Number(status), next, digest)
}

/** The same as docker, skopeo and podman do. */
export async function patchAsGo({ host }: Measured, { path, digest }: BlobFile): Promise<void> {
  const headers = { 'Content-Type': 'application/octet-stream' }
  const sent = request(await begin(host), { method: 'PATCH', headers })
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>
  await pipeline(createReadStream(path, { highWaterMark: GO_CHUNK }), sent)
  const [answer] = await answered
  answer.resume()
  await endStream(host, answer.statusCode ?? 0, answer.headers.location ?? '', digest)
}

async function endStream(host: string, status: number, next: string, digest: string): Promise<void> {
  if (status !== 202) throw new Error(`${host} answered ${status} to a stream`)
  const location = new URL(next, `http://${host}`)
  location.searchParams.set('digest', digest)
  const ended = await fetch(location, { method: 'PUT' })
  if (ended.status !== 201) throw new Error(`${host} answered ${ended.status} to the end of a stream`)
}

async function begin(host: string): Promise<URL> {
  const begun = await fetch(`http://${host}/v2/shop/blobs/uploads/`, { method: 'POST' })
  return new URL(begun.headers.get('location') ?? '', `http://${host}`)
}

/** Status and location of the answer. */
async function send(path: string, to: URL, options: readonly string[] = []): Promise<readonly string[]> {
  const written = ['-o', '/dev/null', '-w', '%{http_code} %header{location}']
  return (await exec('curl', ['-sS', ...written, ...options, '-T', path, to.href])).stdout.split(' ')
}
