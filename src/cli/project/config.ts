import { basename } from 'node:path'
import { resolveApp } from '../../appfile/resolve-app.ts'
import type { Describe } from '../describe.ts'
import type { Session } from '../session.ts'
import { share } from '../shared-options.ts'
import { settingsText } from '../show/settings.ts'
import { readFront } from './front.ts'

export const describeConfig: Describe = (command, start) => {
  share(command, ['environment', 'file', 'output', 'quiet', 'verbose'])
  command.action(() => start(command, config))
}

/** The file in front of the user with every default, and where each value came from. */
async function config(session: Session): Promise<void> {
  const { output, signal } = session
  const front = await readFront(session)
  const found = await session.host.repository.find(front.folder, signal).catch(() => null)
  const { app, settings, notes } = resolveApp({
    front: front.file?.placed ?? null,
    environment: front.environment,
    variables: front.variables,
    folderName: basename(front.folder),
    folder: found?.folder ?? '',
  })
  if (output.json) return output.object({ app, settings })
  if (front.file === null)
    output.tell('note: there is no naru.yaml here: everything is a default (naru init writes one)')
  for (const note of notes) output.tell(`note: ${note}`)
  for (const line of settingsText(settings)) output.data(line)
}
