import type { App } from '../../model/app.ts'
import { DeployError } from '../../model/failure.ts'
import type { AskedSource, ResolvedSource } from '../../source/source.ts'
import type { AppReader, AppReading, Workshop } from './workshop.ts'

/** What was asked for, apart from the file. */
export interface SourceRequest {
  /** The repository that the caller stands in. */
  readonly repository: string | null
  readonly folder: string
  readonly ref: string | null
  /** The commit that the caller sent, and how it calls its repository. */
  readonly upload?: { readonly commit: string; readonly url: string } | undefined
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
  const folder = front.source.url === null ? request.folder : front.source.folder
  const source = await workshop.source.resolve(whereToLook(front, request), signal)
  const text = await workshop.source.readFile(source, folder === '' ? reader.path : `${folder}/${reader.path}`, signal)
  return { ...reader.atCommit(text), source, folder }
}

/** What naru.yaml names; else what the caller sent; else the repository that it stands in. */
function whereToLook(front: App, { repository, ref, upload }: SourceRequest): AskedSource {
  const settings = { ...front.source, ref: ref ?? front.source.ref }
  if (front.source.url !== null) return { ...settings, url: front.source.url }
  if (upload !== undefined) return { ...settings, url: upload.url, upload: upload.commit }
  if (repository !== null) return { ...settings, url: repository }
  throw noRepository(front)
}

const noRepository = ({ app }: App) =>
  new DeployError(
    'SOURCE_NOT_FOUND',
    `${app} has no source: this folder is in no Git repository and naru.yaml names none`,
    {
      hint: 'Run git init and commit, or write source: { git: URL } into naru.yaml, or deploy an image: naru deploy --image REF.',
    },
  )
