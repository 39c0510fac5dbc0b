import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { link, mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { MEDIA_TYPES } from '../../../src/model/descriptor.ts'
import type { Measured } from './registries.ts'

const exec = promisify(execFile)

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
  if (status !== '202') throw new Error(`${host} answered ${status} to a stream`)
  const location = new URL(next, `http://${host}`)
  location.searchParams.set('digest', digest)
  const ended = await fetch(location, { method: 'PUT' })
  if (ended.status !== 201) throw new Error(`${host} answered ${ended.status} to the end of a stream`)
}

/** Pushes an image whose one layer the file is, as people do: skopeo hashes while it sends, so that the bytes come slowly and in many parts. */
export async function pushBySkopeo({ host }: Measured, { path, digest }: BlobFile): Promise<void> {
  const layout = `${path}.layout`
  const blobs = join(layout, 'blobs/sha256')
  await mkdir(blobs, { recursive: true })
  const put = async (value: unknown, mediaType: string) => {
    const bytes = Buffer.from(JSON.stringify(value))
    const hex = createHash('sha256').update(bytes).digest('hex')
    await writeFile(join(blobs, hex), bytes)
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length }
  }
  await link(path, join(blobs, digest.slice('sha256:'.length)))
  const image = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [digest] } }
  const config = await put(image, MEDIA_TYPES.imageConfig)
  const layers = [{ mediaType: MEDIA_TYPES.layerGzip, digest, size: (await stat(path)).size }]
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.imageManifest, config, layers }
  const entry = await put(manifest, MEDIA_TYPES.imageManifest)
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  await writeFile(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  try {
    const to = `docker://${host}/shop:skopeo`
    await exec('skopeo', ['copy', '-q', '--preserve-digests', '--dest-tls-verify=false', `oci:${layout}`, to])
  } finally {
    await rm(layout, { recursive: true })
  }
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
