import type { Descriptor, ImageConfig, ImageManifest, LayerCompression, Platform } from '../model/descriptor.ts'
import type { Report } from '../model/event.ts'
import type { ContentStore } from '../registry/content-store.ts'
import type { SourceTree } from '../source/source.ts'

/** Who builds. 'auto': Naru, and BuildKit where a Dockerfile needs a frontend of its own. */
export type BuilderName = 'naru' | 'buildkit' | 'docker' | 'buildah' | 'auto'

/** An image that a Dockerfile names, with all its layers in a store of this machine. */
export interface NamedImage {
  /** The whole name without a digest: `docker.io/library/node:24`. */
  readonly name: string
  /** Of the manifest that the name led to, an index where it is one: who writes `name@digest` gets the same image. */
  readonly digest: string
  /** Of the image for the platform. */
  readonly imageDigest: string
  readonly store: ContentStore
  readonly repository: string
  readonly manifest: ImageManifest
  readonly config: ImageConfig
}

/** Where FROM, COPY --from and RUN --mount find images by name, for one build: a tag is looked up once. */
export interface NamedImages {
  /** Throws REFERENCE_INVALID, IMAGE_NOT_FOUND (also for the platform), IMAGE_INVALID, REGISTRY_* and DISK_FULL. */
  find(name: string, platform: Platform, signal: AbortSignal): Promise<NamedImage>
}

/** What one RUN may take; null: as much as there is (the time: an hour). */
export interface RunLimits {
  readonly memoryBytes: number | null
  /** Thousandths of a core. */
  readonly cpuMilli: number | null
  readonly timeoutMs: number | null
}

/** Certificates (PEM) that RUN trusts besides those of its image: of this machine, a file from the root of the tree, or a text. */
export type TrustedCa = 'system' | { readonly file: string } | { readonly text: string }

/** What is built, from where and to where. */
export interface BuildRequest {
  /**
   * Absolute path of the clean work tree; nothing outside it is ever read. With 'naru', it may be a commit that is not laid
   * out: the result is the same.
   */
  readonly root: string | SourceTree
  /** Folder of the root that is the build context, and the Dockerfile; both relative to the root. */
  readonly context: string
  readonly dockerfile: string
  readonly target: string | null
  readonly args: Readonly<Record<string, string>>
  /** Values for `RUN --mount=type=secret`, by id. They reach no layer, log or key of a cache. Default: none. */
  readonly secrets?: Readonly<Record<string, string>>
  /** Sockets of ssh agents for `RUN --mount=type=ssh`, by id. Default: none. */
  readonly ssh?: Readonly<Record<string, string>>
  /** Names that go before stages and images: folders of the root, `docker-image://NAME`, git references. Default: none. */
  readonly contexts?: Readonly<Record<string, string>>
  /** Default: none. */
  readonly runLimits?: RunLimits
  /** They reach no layer and no key of a cache. Default: none. */
  readonly ca?: TrustedCa | null
  /** Seconds since the epoch for `created` and file times (SOURCE_DATE_EPOCH): the commit's time, so that same commit is same digest. */
  readonly epochSeconds: number
  readonly bases: NamedImages
  /** What the image is for; of several, the result is an index. Default: this machine. */
  readonly platforms?: readonly Platform[]
  /** Of the layers that are made; those of base images stay as they are. Default gzip. */
  readonly compression?: LayerCompression
  /** 'java': what COPY takes of an unpacked jar or WAR becomes layers by how often it changes. Default: one layer each. */
  readonly split?: 'java' | null
  /** Each RUN is carried out, also where its result is there. Later builds find the new one. Default no. */
  readonly fresh?: boolean
  /** Who builds: Naru, or a tool of this machine. Default naru. */
  readonly with?: BuilderName
  readonly destination: { readonly store: ContentStore; readonly repository: string; readonly tags: readonly string[] }
}

export interface BuildResult {
  /** Of the image manifest, or of the index. */
  readonly artifact: Descriptor
  /** Bytes that were sent to the destination; 0 when everything was there. */
  readonly sentBytes: number
  readonly layers: readonly { readonly digest: string; readonly size: number; readonly cached: boolean }[]
  /** The images that were used: whole name → digest. */
  readonly images: Readonly<Record<string, string>>
}

/** Makes an image from a Dockerfile and puts it into a store. */
export interface Builder {
  /** Same input, same digest. Throws DOCKERFILE_*, BUILD_*, REGISTRY_*, DISK_FULL; leaves nothing behind when it does. */
  build(request: BuildRequest, report: Report, signal: AbortSignal): Promise<BuildResult>
}
