import type { App, BuildSettings } from '../../model/app.ts'
import type { Descriptor, ImageConfig } from '../../model/descriptor.ts'
import type { Report } from '../../model/event.ts'
import type { Builder, NamedImages } from '../../build/builder.ts'
import type { ContentStore } from '../../registry/content-store.ts'
import type { Source, Uploads } from '../../source/source.ts'

/** An image in the embedded registry. */
export interface Artifact {
  readonly repository: string
  readonly artifact: Descriptor
  /** Images of other names that went into it: whole name → digest. */
  readonly images: Readonly<Record<string, string>>
}

/** Everything between a commit and an artifact: source, build and registry, chosen by main.ts. */
export interface Workshop {
  readonly source: Source
  /** Commits that clients elsewhere send; `source` reads them. */
  readonly uploads: Uploads
  readonly builder: Builder
  /** The embedded registry's store. */
  readonly images: ContentStore
  /** Runs `build.run` in the clean work tree; of the caller's variables it sees the allowed ones. */
  hostCommand(
    tree: string,
    build: BuildSettings,
    variables: Readonly<Record<string, string>>,
    report: Report,
    signal: AbortSignal,
  ): Promise<void>
  /** Unpacks jars and WARs of the work tree into new folders of it: `build.unpack`. */
  unpackArchives(
    tree: string,
    archives: Readonly<Record<string, string>>,
    report: Report,
    signal: AbortSignal,
  ): Promise<void>
  /** An empty folder for one operation's work tree; whoever takes it removes it. */
  workTree(operation: string): Promise<{ readonly path: string; remove(): Promise<void> }>
  /** Images by name, for one build or deploy; `close` ends connections. */
  namedImages(report: Report): NamedImages & { close(): Promise<void> }
  /** The image of a name, for this machine, in the embedded registry. */
  importImage(reference: string, report: Report, signal: AbortSignal): Promise<Artifact>
  /** `NAME@DIGEST` of what `importImage` would import: the same whatever becomes of the tag. Copies nothing. */
  pinImage(reference: string, report: Report, signal: AbortSignal): Promise<string>
  /** Copies an image of the embedded registry to another one: `image` of naru.yaml beside a build. */
  exportImage(
    repository: string,
    artifact: Descriptor,
    reference: string,
    report: Report,
    signal: AbortSignal,
  ): Promise<void>
  /** Writes an image of the embedded registry as an OCI image layout into a folder. */
  exportLayout(
    repository: string,
    artifact: Descriptor,
    folder: string,
    report: Report,
    signal: AbortSignal,
  ): Promise<void>
  readConfig(repository: string, artifact: Descriptor, signal: AbortSignal): Promise<ImageConfig>
}

/** How an app is read from files: appfile, with the files and variables of one request bound to it. */
export interface AppReading {
  readonly app: App
  readonly notes: readonly string[]
  readonly file: 'commit' | 'front' | 'none'
  /** Names of the variables that were used. */
  readonly variables: readonly string[]
}

export interface AppReader {
  /** Path of naru.yaml inside the repository. */
  readonly path: string
  /** The app as naru.yaml in front of the user says: enough to find the source. */
  front(): AppReading
  /** The app of a commit; `text` null: the commit has no file. */
  atCommit(text: string | null): AppReading
  /** Settles what depends on the image: ports and readiness. */
  settle(app: App, config: ImageConfig): App
}
