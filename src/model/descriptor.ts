/** A content descriptor of the OCI image specification (descriptor.md). `digest` is `sha256:` and 64 hex digits, or sha512 and 128. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>>
  readonly artifactType?: string
  readonly platform?: Platform
}

/** What an image runs on, in the words of the OCI image specification (Go's GOOS and GOARCH). */
export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

/** Reads `os/architecture[/variant]`; `linux/arm64/v8` is `linux/arm64` in another spelling. */
export function platformOf(text: string): Platform {
  const [os = '', architecture = '', variant] = text.split('/')
  const isKnown = variant === undefined || (architecture === 'arm64' && variant === 'v8')
  return isKnown ? { os, architecture } : { os, architecture, variant }
}

/** What an image can be built for, as people write it. */
export const BUILD_PLATFORM = /^linux\/(?:amd64|arm64|arm|386|ppc64le|s390x|riscv64)(?:\/v[0-9]+)?$/

/** `linux/arm/v7`, as `--platform` takes it. */
export const platformText = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, ...(variant === undefined ? [] : [variant])].join('/')

/** The media types that Naru reads or writes. */
export const MEDIA_TYPES = {
  imageManifest: 'application/vnd.oci.image.manifest.v1+json',
  imageIndex: 'application/vnd.oci.image.index.v1+json',
  imageConfig: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
} as const

/** How layers are made smaller. Everything reads gzip; zstd is read by Docker 23, containerd 1.5, CRI-O 1.20, Podman 3 and newer. */
export type LayerCompression = 'gzip' | 'zstd'

const DIGEST = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

/** Whether a text is a digest that we accept; checked before it becomes part of any path (A19). */
export const isDigest = (text: string): boolean => DIGEST.test(text)

/** An image manifest (OCI image-spec manifest.md); Docker's v2 schema 2 has the same members. */
export interface ImageManifest {
  readonly schemaVersion: 2
  readonly mediaType?: string
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly annotations?: Readonly<Record<string, string>>
}

/** The settings of an image (OCI image-spec config.md). Members as the specification spells them. */
export interface ImageConfig {
  readonly created?: string
  readonly author?: string
  readonly architecture: string
  readonly os: string
  readonly variant?: string
  readonly config?: {
    readonly User?: string
    readonly ExposedPorts?: Readonly<Record<string, object>>
    readonly Env?: readonly string[]
    readonly Entrypoint?: readonly string[] | null
    readonly Cmd?: readonly string[] | null
    readonly Volumes?: Readonly<Record<string, object>>
    readonly WorkingDir?: string
    readonly Labels?: Readonly<Record<string, string>>
    readonly StopSignal?: string
    /** Durations in nanoseconds (Docker's image specification). */
    readonly Healthcheck?: {
      readonly Test?: readonly string[]
      readonly Interval?: number
      readonly Timeout?: number
      readonly StartPeriod?: number
      readonly StartInterval?: number
      readonly Retries?: number
    }
    readonly Shell?: readonly string[]
    readonly OnBuild?: readonly string[]
  }
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly string[] }
  readonly history?: readonly {
    readonly created?: string
    readonly created_by?: string
    readonly empty_layer?: boolean
    readonly comment?: string
  }[]
}
