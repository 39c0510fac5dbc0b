import type { App } from '../../model/app.ts'
import { DeployError } from '../../model/failure.ts'
import type { ResolvedSource } from '../../source/source.ts'
import type { AppReader, AppReading, Workshop } from './workshop.ts'

/** What was asked for, apart from the file. */
export interface SourceRequest {
  /** The repository that the caller stands in. */
  readonly repository: string | null
  readonly folder: string
  readonly ref: string | null
}

/** One revision with the app that it says. */
export interface Found extends AppReading {
  readonly source: ResolvedSource
  /** The app's folder inside the repository. */
  readonly folder: string
}

/** Resolves the revision and reads naru.yaml at it. Throws SOURCE_*, APPFILE_*. */
export async function findSource(
  workshop: Workshop,
  reader: AppReader,
  request: SourceRequest,
  signal: AbortSignal,
): Promise<Found> {
  const front = reader.front().app
  const url = front.source.url ?? request.repository
  if (url === null) throw noRepository(front)
  const folder = front.source.url === null ? request.folder : front.source.folder
  const settings = { ...front.source, url, ref: request.ref ?? front.source.ref }
  const source = await workshop.source.resolve(settings, signal)
  const text = await workshop.source.readFile(source, folder === '' ? reader.path : `${folder}/${reader.path}`, signal)
  return { ...reader.atCommit(text), source, folder }
}

const noRepository = ({ app }: App) =>
  new DeployError(
    'SOURCE_NOT_FOUND',
    `${app} has no source: this folder is in no Git repository and naru.yaml names none`,
    {
      hint: 'Run git init and commit, or write source: { git: URL } into naru.yaml, or deploy an image: naru deploy --image REF.',
    },
  )
