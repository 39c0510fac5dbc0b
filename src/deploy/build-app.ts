import type { Control } from './control.ts'
import type { EventStream } from './event-stream.ts'
import { findSource, type SourceRequest } from './artifact/find-source.ts'
import { type BuildExtras, buildArtifact } from './artifact/make-artifact.ts'
import type { AppReader, Artifact, Workshop } from './artifact/workshop.ts'

/** One `naru build`: what it overrides of naru.yaml, and where the result goes besides the embedded registry. */
export interface BuildTask {
  readonly workshop: Workshop
  readonly reader: AppReader
  readonly request: SourceRequest
  readonly dockerfile: string | null
  readonly target: string | null
  /** None: as naru.yaml says. */
  readonly platforms: readonly string[]
  readonly extras: BuildExtras
  /** References of other registries. */
  readonly push: readonly string[]
  /** An OCI image layout's folder; null: none. */
  readonly layout: string | null
}

/** Builds a commit without deploying it. Answers where the image is. */
export async function buildApp(
  control: Control,
  task: BuildTask,
  stream: EventStream,
  signal: AbortSignal,
): Promise<Artifact> {
  const { report } = stream
  const { workshop } = task
  const found = await findSource(workshop, task.reader, task.request, signal)
  for (const message of found.notes) report({ kind: 'note', message })
  const { build } = found.app
  if (build === null) throw new TypeError(`${found.app.app} is not built`)
  const changed = {
    ...build,
    dockerfile: task.dockerfile ?? build.dockerfile,
    target: task.target ?? build.target,
    platforms: task.platforms.length > 0 ? task.platforms : build.platforms,
  }
  const asked = { ...found, app: { ...found.app, build: changed } }
  const made = await buildArtifact(workshop, control.place.clock, stream.operation, asked, task.extras, report, signal)
  for (const reference of task.push)
    await workshop.exportImage(made.repository, made.artifact, reference, report, signal)
  if (task.layout !== null) await workshop.exportLayout(made.repository, made.artifact, task.layout, report, signal)
  for (const message of placesOf(made, task)) report({ kind: 'note', message })
  report({ kind: 'end', revision: null, endState: null, exit: 0, digest: made.artifact.digest, receipt: null })
  return made
}

/** Where the image is now. */
function placesOf({ repository, artifact }: Artifact, { extras, push, layout }: BuildTask): string[] {
  const tags = extras.tags.map((tag) => `${repository}:${tag}`)
  return [
    `the image is in the embedded registry as ${[`${repository}@${artifact.digest}`, ...tags].join(', ')}`,
    ...push.map((reference) => `the image was pushed to ${reference}`),
    ...(layout === null ? [] : [`the image was written to the image layout ${layout}`]),
  ]
}
