import type { Describe } from '../describe.ts'
import { share } from '../shared-options.ts'

export const describeVersion: Describe = (command, start) => {
  share(command, ['output'])
  command.action(() =>
    start(command, async ({ host, output }) => {
      const { node } = process.versions
      if (output.json) output.object({ naru: host.version, node })
      else output.data(`naru ${host.version} (node ${node})`)
    }),
  )
}
