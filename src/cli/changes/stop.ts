import type { Describe } from '../describe.ts'
import { OF_APP, share } from '../shared-options.ts'
import { beginChange } from './begin.ts'

export const describeStop: Describe = (command, start) => {
  share(command, OF_APP)
  command.action(() => start(command, (session) => beginChange(session, 'stop', {})))
}

export const describeResume: Describe = (command, start) => {
  share(command, OF_APP)
  command.action(() => start(command, (session) => beginChange(session, 'resume', {})))
}

export const describeAbort: Describe = (command, start) => {
  share(command, OF_APP)
  command.action(() => start(command, (session) => beginChange(session, 'abort', {})))
}
