import { basename } from 'node:path'
import { appNameOf } from '../../appfile/default-app.ts'
import { nodeAt } from '../../appfile/tree/placed-tree.ts'
import type { Scope } from '../../model/app.ts'
import { checkName } from '../../model/names.ts'
import type { Session } from '../session.ts'
import { readFront } from './front.ts'

/** The app and environment that a command is about: --app, else naru.yaml in front, else the folder's name. */
export async function scopeInFront(session: Session): Promise<Scope> {
  const { app, environment } = session.options
  if (app !== null) {
    const named = environment ?? (session.env.NARU_ENVIRONMENT || 'local')
    return { app: checkName('app', app), environment: checkName('environment', named) }
  }
  const front = await readFront(session)
  const written = front.file === null ? undefined : nodeAt(front.file.placed.root, ['app'])
  const name = written?.kind === 'scalar' ? written.text : appNameOf(basename(front.folder))
  return { app: name, environment: front.environment }
}

/** Where the API has it. */
export const scopePath = ({ app, environment }: Scope): string =>
  `/v1/apps/${encodeURIComponent(app)}/environments/${encodeURIComponent(environment)}`
