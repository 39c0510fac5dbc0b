import type { Descriptor } from '../model/descriptor.ts'
import type { Report } from '../model/event.ts'
import type { ContentStore } from '../registry/content-store.ts'

/** What is built, from where and to where. */
export interface BuildRequest {
  /** Absolute path of the clean work tree; nothing outside it is ever read. */
  readonly root: string
  /** Folder of the root that is the build context, and the Dockerfile; both relative to the root. */
  readonly context: string
  readonly dockerfile: string
  readonly target: string | null
  readonly args: Readonly<Record<string, string>>
  /** Values for `RUN --mount=type=secret`, by id. They reach no layer, log or key of a cache. Default: none. */
  readonly secrets?: Readonly<Record<string, string>>
  /** Sockets of ssh agents for `RUN --mount=type=ssh`, by id. Default: none. */
  readonly ssh?: Readonly<Record<string, string>>
  /** Seconds since the epoch for `created` and file times (SOURCE_DATE_EPOCH): the commit's time, so that same commit is same digest. */
  readonly epochSeconds: number
  /** Where base images are found: repository in the embedded registry. */
  readonly bases: ContentStore
  readonly destination: { readonly store: ContentStore; readonly repository: string; readonly tags: readonly string[] }
}

export interface BuildResult {
  /** Of the image manifest. */
  readonly artifact: Descriptor
  /** Bytes that were sent to the destination; 0 when everything was there. */
  readonly sentBytes: number
  readonly layers: readonly { readonly digest: string; readonly size: number; readonly cached: boolean }[]
}

/** Makes an image from a Dockerfile and puts it into a store. */
export interface Builder {
  /** Same input, same digest. Throws DOCKERFILE_*, BUILD_*, REGISTRY_*, DISK_FULL; leaves nothing behind when it does. */
  build(request: BuildRequest, report: Report, signal: AbortSignal): Promise<BuildResult>
}
