import type { SourceRevision } from '../model/release.ts'
import { draftRelease, pinSecrets } from './artifact/draft-release.ts'
import type { Control } from './control.ts'
import type { EventStream } from './event-stream.ts'
import { findSource, type Found, type SourceRequest } from './artifact/find-source.ts'
import { atStation, buildArtifact, imageOf, importArtifact } from './artifact/make-artifact.ts'
import type { AppReader, AppReading, Artifact, Workshop } from './artifact/workshop.ts'

/** One `naru deploy` of a commit or an image. */
export interface DeployTask {
  readonly workshop: Workshop
  readonly reader: AppReader
  readonly request: SourceRequest
  /** Deploy this image instead of building. */
  readonly image: string | null
  readonly by: string
  /** The caller's variables, for `build.run`. */
  readonly variables: Readonly<Record<string, string>>
}

/** The whole path: source → build → registry → release → rollout. Returns when the rollout has begun; its stream tells the rest. */
export async function deployApp(
  control: Control,
  task: DeployTask,
  stream: EventStream,
  signal: AbortSignal,
): Promise<void> {
  const { report } = stream
  const { clock, memory } = control.place
  const reading = await readApp(task, stream, signal)
  for (const message of reading.notes) report({ kind: 'note', message })
  await pinSecrets(memory, reading.app)
  const made = await makeArtifact(control, task, reading, stream, signal)
  const config = await task.workshop.readConfig(made.repository, made.artifact, signal)
  const settings = task.reader.settle(reading.app, config)
  await atStation(clock, report, 'release', made.artifact.digest, async () => {
    const draft = await draftRelease(memory, settings, made, {
      source: sourceRevision(reading),
      variables: reading.variables,
      by: task.by,
      nowMs: clock.now(),
    })
    await control.loop(stream.scope).rollTo({ kind: 'deploy', to: draft, by: task.by, stream })
  })
}

/** The app as the commit says, or, where an image is deployed, as the file in front says. */
async function readApp(task: DeployTask, { report }: EventStream, signal: AbortSignal): Promise<AppReading | Found> {
  const front = task.reader.front()
  if (task.image !== null || imageOf(front.app) !== null) return front
  report({ kind: 'station', station: 'source', state: 'started', note: task.request.ref ?? 'the default revision' })
  return findSource(task.workshop, task.reader, task.request, signal)
}

function makeArtifact(
  { place }: Control,
  task: DeployTask,
  reading: AppReading | Found,
  { report, operation }: EventStream,
  signal: AbortSignal,
): Promise<Artifact> {
  const image = task.image ?? imageOf(reading.app)
  if (image !== null) return importArtifact(task.workshop, place.clock, image, report, signal)
  if (!('source' in reading)) throw new TypeError('nothing to build and no image')
  return buildArtifact(
    task.workshop,
    place.clock,
    operation,
    reading,
    { args: {}, tags: [], variables: task.variables },
    report,
    signal,
  )
}

function sourceRevision(reading: AppReading | Found): SourceRevision {
  if (!('source' in reading)) return { url: null, commit: null, ref: null, subject: null, file: reading.file }
  const { url, commit, ref, subject } = reading.source
  return { url, commit, ref, subject, file: reading.file }
}
