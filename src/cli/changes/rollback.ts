import type { Describe } from '../describe.ts'
import { OF_APP, share } from '../shared-options.ts'
import { beginChange } from './begin.ts'
import { revisionNumber } from './deploy.ts'

export const describeRollback: Describe = (command, start) => {
  command.argument('[revision]', 'where to go (default: the last other revision that ended all-new)', revisionNumber)
  share(command, OF_APP)
  command.action((revision: number | undefined) =>
    start(command, (session) => beginChange(session, 'rollback', { revision: revision ?? null })),
  )
}
