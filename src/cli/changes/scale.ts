import { InvalidArgumentError } from 'commander'
import type { Describe } from '../describe.ts'
import { OF_APP, share } from '../shared-options.ts'
import { beginChange } from './begin.ts'

type Replicas = Readonly<Record<string, number>>

export const describeScale: Describe = (command, start) => {
  command.argument('<replicas...>', 'N for the role web, or ROLE=N', collect)
  share(command, OF_APP)
  command.action((replicas: Replicas) => start(command, (session) => beginChange(session, 'scale', { replicas })))
}

function collect(text: string, before: Replicas | undefined): Replicas {
  const [, role = 'web', count = ''] = /^(?:([a-z0-9-]+)=)?(\d{1,4})$/.exec(text) ?? []
  if (count !== '' && Number(count) <= 1000) return { ...before, [role]: Number(count) }
  throw new InvalidArgumentError('Write N or ROLE=N with N from 0 to 1000, such as worker=2.')
}
