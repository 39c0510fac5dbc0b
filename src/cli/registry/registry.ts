import type { Describe } from '../describe.ts'
import { describeRobots, describeUsers } from './accounts.ts'
import { describeCollect, describeRemove, describeScrub, describeTags, describeUsage } from './keeping.ts'
import { describeServe } from './serve.ts'

export const describeRegistry: Describe = (command, start) => {
  describeServe(command.command('serve'), start)
  describeUsers(command.command('user'), start)
  describeRobots(command.command('robot'), start)
  describeCollect(command.command('gc'), start)
  describeScrub(command.command('scrub'), start)
  describeUsage(command.command('usage'), start)
  describeTags(command.command('tags'), start)
  describeRemove(command.command('rm'), start)
}
