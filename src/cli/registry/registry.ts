import type { Describe } from '../describe.ts'
import { describeServe } from './serve.ts'

export const describeRegistry: Describe = (command, start) => {
  describeServe(command.command('serve'), start)
}
