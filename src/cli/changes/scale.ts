import { InvalidArgumentError } from 'commander'
import type { Describe } from '../describe.ts'
import { examples } from '../help.ts'
import { beginChange } from '../operation/begin-change.ts'
import { OF_APP, share } from '../shared-options.ts'

type Replicas = Readonly<Record<string, number>>

export const describeScale: Describe = (command, start) => {
  command.argument('<replicas...>', 'N for the role web, or ROLE=N', replicasOf)
  share(command, OF_APP)
  command.action((replicas: Replicas) =>
    start(command, async (session) => (await beginChange(session, 'scale', { replicas })).exit),
  )
  examples(command, [
    ['naru scale 5', 'five replicas of the role web'],
    ['naru scale web=5 worker=2', 'several roles at once'],
  ])
}

/** `3`, `worker=2`: collected over all arguments. */
export function replicasOf(text: string, before: Replicas | undefined): Replicas {
  const [, role = 'web', count = ''] = /^(?:([a-z0-9-]+)=)?(\d{1,4})$/.exec(text) ?? []
  if (count !== '' && Number(count) <= 1000) return { ...before, [role]: Number(count) }
  throw new InvalidArgumentError('Write N or ROLE=N with N from 0 to 1000, such as worker=2.')
}
