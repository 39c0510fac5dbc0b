import type { BuildRequest, BuildResult, TrustedCa } from '../../build/builder.ts'
import type { App, BuildSettings } from '../../model/app.ts'
import { platformOf } from '../../model/descriptor.ts'
import type { Report, Station } from '../../model/event.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Found } from './find-source.ts'
import type { Artifact, Workshop } from './workshop.ts'

/** What a build asks beyond the app's settings. */
export interface BuildExtras {
  readonly args: Readonly<Record<string, string>>
  readonly tags: readonly string[]
  /** Sockets of ssh agents by id, and named contexts. Default: none. */
  readonly ssh?: Readonly<Record<string, string>>
  readonly contexts?: Readonly<Record<string, string>>
  /** Each that is not null goes before that of `build.runLimits`. Default: none. */
  readonly runLimits?: BuildSettings['runLimits'] | null
  /** Certificates (PEM) that RUN trusts, or `system`; goes before `build.ca`. Default: none. */
  readonly ca?: string | null
  /** Each RUN is carried out. Default: no. */
  readonly fresh?: boolean
  /** The caller's variables, for `build.run` and `build.secrets`. */
  readonly variables: Readonly<Record<string, string>>
}

/** Tells a station's beginning, its end and how long it took. */
export async function atStation<T>(
  clock: Clock,
  report: Report,
  station: Station,
  note: string,
  work: () => Promise<T>,
): Promise<T> {
  const began = clock.monotonic()
  report({ kind: 'station', station, state: 'started', note })
  const result = await work()
  report({ kind: 'station', station, state: 'finished', note, tookMs: Math.round(clock.monotonic() - began) })
  return result
}

/**
 * Builds a commit's image into the embedded registry: from the repository itself where nothing but the builder reads the
 * files, else from a clean tree, in which `build.run` runs. Leaves no tree behind.
 */
export async function buildArtifact(
  workshop: Workshop,
  clock: Clock,
  operation: string,
  found: Found,
  extras: BuildExtras,
  report: Report,
  signal: AbortSignal,
): Promise<Artifact> {
  const { app, source } = found
  const { build } = app
  if (build === null) throw new TypeError(`${app.app} is not built`)
  const note = `${source.commit.slice(0, 7)} "${source.subject}"`
  const files = await atStation(clock, report, 'source', note, () =>
    sourceFiles(workshop, operation, found, build, signal),
  )
  try {
    return await atStation(clock, report, 'build', build.dockerfile, async () => {
      if (typeof files.root === 'string') {
        const folder = found.folder === '' ? files.root : `${files.root}/${found.folder}`
        if (build.run !== null) await workshop.hostCommand(folder, build, extras.variables, report, signal)
        await workshop.unpackArchives(files.root, build.unpack, report, signal)
      }
      const result = await buildImage(workshop, found, build, files.root, extras, report, signal)
      if (app.image !== null) await workshop.exportImage(app.app, result.artifact, app.image, report, signal)
      return { repository: app.app, artifact: result.artifact, images: result.images }
    })
  } finally {
    await files.close()
  }
}

/** What is built from. */
interface SourceFiles {
  readonly root: BuildRequest['root']
  close(): Promise<void>
}

async function sourceFiles(
  workshop: Workshop,
  operation: string,
  { app, source }: Found,
  build: BuildSettings,
  signal: AbortSignal,
): Promise<SourceFiles> {
  const open = needsFolder(build) ? null : await workshop.source.open(source, signal)
  if (open !== null) return { root: open, close: () => open.close() }
  const tree = await workshop.workTree(operation)
  try {
    await workshop.source.checkout(source, tree.path, { submodules: app.source.submodules }, signal)
  } catch (failed) {
    await tree.remove()
    throw failed
  }
  return { root: tree.path, close: () => tree.remove() }
}

/** Whether others than our own builder read or write the files. */
const needsFolder = (build: BuildSettings): boolean =>
  build.run !== null || Object.keys(build.unpack).length > 0 || build.with !== 'naru'

async function buildImage(
  workshop: Workshop,
  { app, source }: Found,
  build: BuildSettings,
  root: BuildRequest['root'],
  extras: BuildExtras,
  report: Report,
  signal: AbortSignal,
): Promise<BuildResult> {
  const bases = workshop.namedImages(report)
  try {
    return await workshop.builder.build(
      {
        root,
        context: build.context,
        dockerfile: build.dockerfile,
        target: build.target,
        compression: build.compression,
        split: build.split,
        platforms: build.platforms.map(platformOf),
        with: build.with,
        args: { ...build.args, ...extras.args },
        secrets: secretsOf(build.secrets, extras.variables),
        ssh: extras.ssh ?? {},
        contexts: { ...build.contexts, ...extras.contexts },
        runLimits: limitsOf(build, extras),
        ca: trustedCa(build, extras),
        fresh: extras.fresh ?? false,
        epochSeconds: Math.floor(source.committedAtMs / 1000),
        bases,
        destination: { store: workshop.images, repository: app.app, tags: [source.commit, ...extras.tags] },
      },
      report,
      signal,
    )
  } finally {
    await bases.close()
  }
}

function trustedCa(build: BuildSettings, { ca = null }: BuildExtras): TrustedCa | null {
  if (ca !== null) return ca === 'system' ? ca : { text: ca }
  return build.ca === null || build.ca === 'system' ? build.ca : { file: build.ca }
}

function limitsOf({ runLimits }: BuildSettings, { runLimits: asked }: BuildExtras): BuildSettings['runLimits'] {
  return {
    memoryBytes: asked?.memoryBytes ?? runLimits.memoryBytes,
    cpuMilli: asked?.cpuMilli ?? runLimits.cpuMilli,
    timeoutMs: asked?.timeoutMs ?? runLimits.timeoutMs,
  }
}

/** Values by name; one that the caller does not have is left out: a RUN that needs it says so at its line. */
function secretsOf(
  names: readonly string[],
  variables: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = variables[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

/** An image that exists already, in the embedded registry. */
export function importArtifact(
  workshop: Workshop,
  clock: Clock,
  reference: string,
  report: Report,
  signal: AbortSignal,
): Promise<Artifact> {
  return atStation(clock, report, 'push', reference, () => workshop.importImage(reference, report, signal))
}

/** What the app's image is when nothing is built. */
export const imageOf = (app: App): string | null => (app.build === null ? app.image : null)
