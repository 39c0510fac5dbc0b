import type { Describe } from '../describe.ts'
import { describeRobots, describeUsers } from './accounts.ts'
import { describeRm, describeTags, describeUsage } from './contents.ts'
import { describeCollect, describeScrub } from './keeping.ts'
import { describeServe } from './serve.ts'

export const describeRegistry: Describe = (command, start) => {
  describeServe(command.command('serve'), start)
  describeUsers(command.command('user'), start)
  describeRobots(command.command('robot'), start)
  describeTags(command.command('tags'), start)
  describeRm(command.command('rm'), start)
  describeUsage(command.command('usage'), start)
  describeCollect(command.command('gc'), start)
  describeScrub(command.command('scrub'), start)
}
