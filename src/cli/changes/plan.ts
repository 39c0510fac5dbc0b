import type { PlanBody } from '../../api/responses.ts'
import { withServer } from '../connect.ts'
import type { Describe } from '../describe.ts'
import { examples } from '../help.ts'
import { revisionNumber } from '../numbers.ts'
import { appRequest } from '../project/app-request.ts'
import type { Session } from '../session.ts'
import { OF_APP, share } from '../shared-options.ts'
import { planText } from '../show/plan.ts'
import { printable } from '../show/printable.ts'
import { savePlan } from './saved-plan.ts'

interface PlanOptions {
  readonly ref?: string
  readonly image?: string
  readonly revision?: number
  readonly save?: string
  readonly exitCode?: true
}

/** Under --exit-code: there is something to deploy. */
const CHANGES = 2

export const describePlan: Describe = (command, start) => {
  command
    .option('--ref <ref>', 'branch, tag or commit (default: what is checked out)')
    .option('--image <reference>', 'an image instead of a build')
    .option('--revision <number>', 'an existing revision again', revisionNumber)
    .option('--save <file>', 'write it down for naru deploy --plan FILE')
    .option('--exit-code', `exit with ${CHANGES} when there is something to deploy, and 0 when not`)
  share(command, OF_APP)
  command.action((options: PlanOptions) => start(command, (session) => plan(session, options)))
  examples(command, [
    ['naru plan', 'what naru deploy would do now'],
    ['naru plan --exit-code -q', 'for scripts: 2 when there is something to deploy'],
  ])
}

async function plan(session: Session, options: PlanOptions): Promise<number> {
  const { output, signal } = session
  const { ref = null, image = null, revision = null, save } = options
  const fields = await appRequest(session, { ref, needsSource: image === null && revision === null })
  const body = await withServer(session, 'looks', ({ client }) =>
    client.post<PlanBody>('/v1/plans', { ...fields, image, revision }, signal),
  )
  if (save !== undefined) await savePlan(session, save, body)
  if (output.json) output.object(body)
  else {
    for (const line of planText(printable(body), output.width)) output.data(line)
    output.tell('')
    output.tell(`Nothing was changed. ${howTo(options, body.isChanged)}`)
  }
  return options.exitCode === true && body.isChanged ? CHANGES : 0
}

/** The command that does what was planned. */
function howTo({ save, ref, image, revision }: PlanOptions, isChanged: boolean): string {
  if (!isChanged) return 'There is nothing to deploy.'
  if (save !== undefined) return `Do it with: naru deploy --plan ${save}`
  if (ref !== undefined) return `Do it with: naru deploy --ref ${ref}`
  if (image !== undefined) return `Do it with: naru deploy --image ${image}`
  return `Do it with: naru deploy${revision === undefined ? '' : ` --revision ${revision}`}`
}
