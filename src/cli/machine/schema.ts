import { appFileJsonSchema } from '../../appfile/schema/json-schema.ts'
import type { Describe } from '../describe.ts'
import { share } from '../shared-options.ts'

export const describeSchema: Describe = (command, start) => {
  share(command, ['output'])
  command.action(() =>
    start(command, async ({ output }) => {
      if (output.json) output.object(appFileJsonSchema())
      else output.data(JSON.stringify(appFileJsonSchema(), null, 2))
    }),
  )
}
