import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { MEDIA_TYPES } from '../model/descriptor.ts'
import { systemClock } from '../os/system-clock.ts'
import type { ContentStore } from './content-store.ts'
import { digestOf } from './digest.ts'
import { DiskStore } from './disk/disk-store.ts'
import { Quota, type QuotaLimits } from './server/quota.ts'
import { oneKeyGate } from './server/gate.ts'
import { type RegistryRoutesOptions, registryRoutes } from './server/registry-routes.ts'

/** A signal that is never aborted. */
export const never = new AbortController().signal

/** A temporary folder, gone when the test ends. */
export async function aFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'naru-registry-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** A store in a temporary folder. */
export async function aDiskStore(): Promise<{ readonly store: DiskStore; readonly root: string } & AsyncDisposable> {
  const folder = await aFolder()
  const store = await DiskStore.open(folder.path, systemClock)
  return {
    store,
    root: folder.path,
    [Symbol.asyncDispose]: async () => {
      await store.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

interface Serving {
  /** What the registry wants as Basic password of the user `naru`. */
  readonly token?: string
  readonly limits?: NonNullable<RegistryRoutesOptions['limits']>
  readonly cache?: NonNullable<RegistryRoutesOptions['cache']>
  readonly quota?: QuotaLimits
}

/** Our registry on a free port, over a store. */
export async function serving(
  store: DiskStore,
  { token, quota, ...options }: Serving = {},
): Promise<{ readonly host: string } & AsyncDisposable> {
  const wanted = token === undefined ? null : `Basic ${btoa(`naru:${token}`)}`
  const gate = oneKeyGate((request) => wanted === null || request.headers.authorization === wanted)
  const routes = registryRoutes({
    store,
    gate,
    ...options,
    ...(quota === undefined ? {} : { quota: new Quota(store, quota) }),
  })
  const server = createServer((request, response) => void routes(request, response))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

/** Our registry over a store in a temporary folder. */
export async function aRegistry(
  options: Serving = {},
): Promise<{ readonly store: DiskStore; readonly root: string; readonly host: string } & AsyncDisposable> {
  const disk = await aDiskStore()
  const server = await serving(disk.store, options)
  return {
    store: disk.store,
    root: disk.root,
    host: server.host,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      await disk[Symbol.asyncDispose]()
    },
  }
}

/** Bytes that are a blob of nobody else. */
export function aBlob(size = 1000): { readonly bytes: Buffer; readonly digest: string; readonly size: number } {
  const bytes = randomBytes(size)
  return { bytes, digest: digestOf(bytes), size }
}

/** Stores a blob of these bytes and answers its digest and size. */
export async function putBlob(store: ContentStore, repository: string, bytes: Uint8Array) {
  const expected = { digest: digestOf(bytes), size: bytes.length }
  await store.writeBlob(repository, expected, () => Readable.from([bytes]), never)
  return expected
}

/** An image in a store; its layers are `layers` (random bytes by default), compressed. */
export async function anImage(
  store: ContentStore,
  repository: string,
  options: {
    tags?: readonly string[]
    layers?: readonly Uint8Array[]
    platform?: { os: string; architecture: string; variant?: string }
    docker?: boolean
  } = {},
) {
  const layers = options.layers ?? [randomBytes(3000), randomBytes(70_000)]
  const platform = options.platform ?? { os: 'linux', architecture: 'amd64' }
  const config = {
    ...platform,
    config: { Cmd: ['/hello'] },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer)) },
  }
  const docker = options.docker ?? false
  const configBlob = await putBlob(store, repository, Buffer.from(JSON.stringify(config)))
  const layerBlobs = []
  for (const layer of layers) layerBlobs.push(await putBlob(store, repository, gzipSync(layer)))
  const manifest = {
    schemaVersion: 2,
    mediaType: docker ? MEDIA_TYPES.dockerManifest : MEDIA_TYPES.imageManifest,
    config: { mediaType: docker ? MEDIA_TYPES.dockerConfig : MEDIA_TYPES.imageConfig, ...configBlob },
    layers: layerBlobs.map((blob) => ({
      mediaType: docker ? MEDIA_TYPES.dockerLayerGzip : MEDIA_TYPES.layerGzip,
      ...blob,
    })),
  }
  const bytes = Buffer.from(JSON.stringify(manifest))
  const descriptor = await store.writeManifest(
    repository,
    { mediaType: manifest.mediaType, bytes },
    options.tags ?? [],
    never,
  )
  return { descriptor, manifest, bytes, config, layers: layerBlobs, configBlob }
}

/** All bytes of a stream. */
export async function bytesOf(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}
