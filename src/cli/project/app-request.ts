import { basename } from 'node:path'
import { userInfo } from 'node:os'
import type { PlanRequest } from '../../api/requests.ts'
import { mergeEnvironment } from '../../appfile/merge-environment.ts'
import { type PlacedAppFile, readAppFile } from '../../appfile/read-app-file.ts'
import { nodeAt } from '../../appfile/tree/placed-tree.ts'
import { DeployError } from '../../model/failure.ts'
import { ApiClient } from '../api-client.ts'
import { serverElsewhere } from '../connect.ts'
import type { Session } from '../session.ts'
import { APP_FILE, type Front, namesIn, readFront } from './front.ts'
import { sendCommit } from './send-commit.ts'

/** What every request that resolves an app carries. */
export type AppFields = Pick<PlanRequest, 'file' | 'folderName' | 'environment' | 'source' | 'variables' | 'by'>

interface SourceAsked {
  /** Branch, tag or commit; null: what is checked out. */
  readonly ref: string | null
  /** false: an image or an existing revision is deployed. */
  readonly needsSource: boolean
}

/** The repository that the app is deployed from, when naru.yaml names none. */
interface LocalSource {
  readonly root: string
  readonly folder: string
  readonly ref: string
}

/**
 * The request for the app in front of the user: the file, the commit that is meant, and of the caller's variables only those
 * that the files name. Says when there are changes that no commit has.
 */
export async function appRequest(session: Session, asked: SourceAsked): Promise<AppFields> {
  const front = await readFront(session)
  const local = asked.needsSource ? await sourceInFront(session, front, asked.ref) : null
  const variables = await variablesFor(session, front, local)
  return {
    file: front.file === null ? null : { text: front.file.text, name: front.file.name },
    folderName: basename(front.folder),
    environment: front.environment,
    source:
      local === null
        ? { repository: null, folder: '', ref: asked.needsSource ? asked.ref : null }
        : await sourceFor(session, local),
    variables,
    by: await callerName(session, front.folder),
  }
}

/** Who asks, for the history: git's user, else the system's. */
export async function callerName({ host, env, signal }: Session, folder: string): Promise<string> {
  const name = await host.repository.userName(folder, signal).catch(() => null)
  return (name ?? env.USER ?? systemUser()).slice(0, 200)
}

function systemUser(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}

/** A server of this machine reads the repository where it stands; one elsewhere is sent the commit. */
async function sourceFor(session: Session, local: LocalSource): Promise<PlanRequest['source']> {
  const { root, folder, ref } = local
  const elsewhere = serverElsewhere(session)
  if (elsewhere === null) return { repository: root, folder, ref }
  return { repository: null, folder, ref, upload: await sendCommit(session, new ApiClient(elsewhere), local) }
}

/** null: naru.yaml names the source, or there is none. */
async function sourceInFront(session: Session, front: Front, ref: string | null): Promise<LocalSource | null> {
  if (front.file !== null && namesSource(front.file.placed, front.environment)) return null
  const { repository } = session.host
  const found = await repository.find(front.folder, session.signal)
  if (found === null) return null
  await tellUncommitted(session, front.folder)
  if (ref !== null) return { ...found, ref }
  const head = await repository.head(found.root, session.signal)
  if (head === null) throw noCommit(found.root)
  return { ...found, ref: head.commit }
}

const namesSource = (placed: PlacedAppFile, environment: string): boolean =>
  nodeAt(mergeEnvironment(placed.root, environment).root, ['source', 'git']) !== undefined

async function tellUncommitted({ host, output, signal }: Session, folder: string): Promise<void> {
  const { count, names } = await host.repository.uncommitted(folder, signal)
  if (count === 0) return
  const more = count > names.length ? ', …' : ''
  output.tell(`note: not deployed, because not committed: ${names.join(', ')}${more} (${count} in all)`)
}

async function variablesFor(
  { host, signal }: Session,
  front: Front,
  local: LocalSource | null,
): Promise<Record<string, string>> {
  const names = new Set(front.file === null ? [] : namesIn(front.file.placed, front.environment))
  if (local !== null) {
    const path = local.folder === '' ? APP_FILE : `${local.folder}/${APP_FILE}`
    const text = await host.repository.fileAt(local.root, local.ref, path, signal)
    // A file at the commit that is wrong is refused by the server, with its place.
    const committed = text === null ? [] : namesOrNone(text, front.environment)
    for (const name of committed) names.add(name)
  }
  const given = [...names].flatMap((name) => {
    const value = front.variables[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(given)
}

function namesOrNone(text: string, environment: string): readonly string[] {
  try {
    return namesIn(readAppFile(text, APP_FILE), environment)
  } catch {
    return []
  }
}

const noCommit = (root: string) =>
  new DeployError('SOURCE_REF_NOT_FOUND', `the repository ${root} has no commit yet`, {
    hint: 'Commit first: git add . && git commit. Naru deploys commits, never what is only in the folder.',
  })
