import type { Describe } from '../describe.ts'
import { describeRobots, describeUsers } from './accounts.ts'
import { describeServe } from './serve.ts'

export const describeRegistry: Describe = (command, start) => {
  describeServe(command.command('serve'), start)
  describeUsers(command.command('user'), start)
  describeRobots(command.command('robot'), start)
}
