import { gzipSync } from 'node:zlib'
import { packTar } from 'modern-tar'
import { type Descriptor, MEDIA_TYPES, type Platform } from '../../model/descriptor.ts'
import type { Happening } from '../../model/event.ts'
import { DeployError } from '../../model/failure.ts'
import type { ContentStore } from '../../registry/content-store.ts'
import { digestOf } from '../../registry/digest.ts'
import type { DiskStore } from '../../registry/disk/disk-store.ts'
import { aDiskStore, never, putBlob } from '../../registry/testing.ts'
import { namedImages } from '../../registry/bases/named-images.ts'

export const AMD: Platform = { os: 'linux', architecture: 'amd64' }
export const ARM: Platform = { os: 'linux', architecture: 'arm64', variant: 'v8' }

/** How a layer is packed. */
export interface Packing {
  readonly mediaType: string
  readonly pack: (plain: Uint8Array) => Uint8Array
}
const GZIP: Packing = { mediaType: MEDIA_TYPES.layerGzip, pack: (plain) => gzipSync(plain) }

/** An image with real layers in a store: each is the files of one record. */
export async function anImageOf(
  store: ContentStore,
  repository: string,
  layers: readonly Readonly<Record<string, string>>[],
  more: { tags?: readonly string[]; platform?: Platform; packing?: Packing; docker?: boolean } = {},
): Promise<Descriptor> {
  const { tags = [], platform = AMD, packing = GZIP, docker = false } = more
  const tars = await Promise.all(
    layers.map((files) =>
      packTar(
        Object.entries(files).map(([name, body]) => ({
          header: { name, size: body.length, mtime: new Date(0) },
          body,
        })),
      ),
    ),
  )
  const named = []
  for (const tar of tars)
    named.push({ mediaType: packing.mediaType, ...(await putBlob(store, repository, packing.pack(tar))) })
  const rootfs = { type: 'layers', diff_ids: tars.map((tar) => digestOf(tar)) }
  const config = await putBlob(store, repository, Buffer.from(JSON.stringify({ ...platform, config: {}, rootfs })))
  const mediaType = docker ? MEDIA_TYPES.dockerManifest : MEDIA_TYPES.imageManifest
  const configType = docker ? MEDIA_TYPES.dockerConfig : MEDIA_TYPES.imageConfig
  const manifest = { schemaVersion: 2, mediaType, config: { mediaType: configType, ...config }, layers: named }
  return store.writeManifest(repository, { mediaType, bytes: Buffer.from(JSON.stringify(manifest)) }, tags, never)
}

/** An index of images, and of an attestation before them. */
export async function anIndexOf(
  store: ContentStore,
  repository: string,
  images: readonly (Descriptor & { readonly platform: Platform })[],
  tag: string,
): Promise<Descriptor> {
  const attestation = await anImageOf(store, repository, [{ sbom: '{}' }], {
    platform: { os: 'unknown', architecture: 'unknown' },
  })
  const mediaType = MEDIA_TYPES.imageIndex
  const manifests = [{ ...attestation, platform: { os: 'unknown', architecture: 'unknown' } }, ...images]
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
  return store.writeManifest(repository, { mediaType, bytes }, [tag], never)
}

/** A registry elsewhere that tells what it was asked, and may fail. */
export interface Elsewhere extends AsyncDisposable {
  readonly store: DiskStore
  readonly asked: string[]
  /** Thrown at every question. */
  failure: DeployError | null
  /** What it answers in place of the blobs' bytes. */
  open(registry: string): Promise<ContentStore & { close(): void }>
}

export async function elsewhere(): Promise<Elsewhere> {
  const disk = await aDiskStore()
  const asked: string[] = []
  const registry: Elsewhere = {
    store: disk.store,
    asked,
    failure: null,
    open: async (host) => {
      asked.push(`open ${host}`)
      const watched = new Proxy(disk.store, {
        get(target, key) {
          if (key === 'close') return () => {}
          const method: unknown = Reflect.get(target, key)
          if (typeof method !== 'function') return method
          return (...args: unknown[]) => {
            if (registry.failure !== null) throw registry.failure
            asked.push(`${String(key)} ${String(args[0])} ${String(args[1]).slice(0, 15)}`)
            return method.apply(target, args)
          }
        },
      })
      return watched as unknown as ContentStore & { close(): void }
    },
    [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
  }
  return registry
}

/** What one build would ask, and what it was told meanwhile. */
export function asking(images: DiskStore, { open }: Elsewhere) {
  const happenings: Happening[] = []
  const named = namedImages({ images, open, report: (happening) => happenings.push(happening) })
  return {
    happenings,
    find: (name: string, platform: Platform = AMD) => named.find(name, platform, never),
    pin: (name: string, platform: Platform = AMD) => named.pin(name, platform, never),
    notes: () => happenings.flatMap((one) => (one.kind === 'note' ? one.message : [])),
  }
}

export const failing = (code: ConstructorParameters<typeof DeployError>[0]): DeployError =>
  new DeployError(code, `${code} of the registry`, { hint: 'Wait.', detail: { host: 'ghcr.io' } })
