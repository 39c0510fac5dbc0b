import type { Describe } from '../describe.ts'
import type { DoctorLine } from '../host.ts'
import type { Session } from '../session.ts'
import { share } from '../shared-options.ts'
import { doctorText } from '../show/doctor.ts'

export const describeDoctor: Describe = (command, start) => {
  share(command, ['data', 'output', 'timeout'])
  command.action(() => start(command, doctor))
}

/** 1 when something is missing without which nothing runs. */
async function doctor({ host, output, options, signal }: Session): Promise<number> {
  const found: DoctorLine[] = []
  for await (const line of host.doctor(host.dataFolder(options.data), signal)) {
    found.push(line)
    if (output.json) output.object(line)
    else for (const text of doctorText(line, output.paint)) output.data(text)
  }
  const count = (state: DoctorLine['state']) => found.filter((line) => line.state === state).length
  const failed = count('failed')
  output.tell('')
  if (failed > 0) output.tell(`${failed} to fix before Naru works here`)
  else output.tell(count('warning') > 0 ? 'Naru works here; what is marked could be better' : 'Naru works here')
  return failed > 0 ? 1 : 0
}
