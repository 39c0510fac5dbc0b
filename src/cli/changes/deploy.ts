import type { DeployRequest } from '../../api/requests.ts'
import type { OperationBody } from '../../api/responses.ts'
import { DeployError } from '../../model/failure.ts'
import { withServer } from '../connect.ts'
import type { Describe } from '../describe.ts'
import { examples } from '../help.ts'
import { revisionNumber } from '../numbers.ts'
import { runOperation } from '../operation/run-operation.ts'
import { appRequest } from '../project/app-request.ts'
import type { Session } from '../session.ts'
import { OF_APP, share } from '../shared-options.ts'
import { readSavedPlan, type SavedPlan } from './saved-plan.ts'

interface DeployOptions {
  readonly ref?: string
  readonly image?: string
  readonly revision?: number
  readonly plan?: string
}

export const describeDeploy: Describe = (command, start) => {
  command
    .option('--ref <ref>', 'branch, tag or commit (default: what is checked out)')
    .option('--image <reference>', 'an image instead of a build')
    .option('--revision <number>', 'an existing revision again', revisionNumber)
    .option('--plan <file>', 'what naru plan --save FILE wrote; refused when anything has changed since')
  share(command, OF_APP)
  command.action((options: DeployOptions) => start(command, (session) => deploy(session, options)))
  examples(command, [
    ['naru deploy', 'the commit that is checked out'],
    ['naru deploy -e staging --ref v1.4.0', 'a tag, to another environment'],
    ['naru deploy --image registry.example.com/team/shop:1.4', 'an image that exists'],
    ['naru plan --save p && naru deploy --plan p', 'exactly what was planned, or nothing'],
  ])
}

async function deploy(session: Session, options: DeployOptions): Promise<number> {
  refuseSeveral(options)
  const saved = options.plan === undefined ? null : await readSavedPlan(session, options.plan)
  const body = await deployRequest(session, options, saved)
  return withServer(session, 'changes', async (connection) => {
    const begin = () => connection.client.post<OperationBody>('/v1/deploys', body, session.signal)
    return (await runOperation(session, connection, begin)).exit
  })
}

async function deployRequest(
  session: Session,
  { ref, image, revision }: DeployOptions,
  saved: SavedPlan | null,
): Promise<DeployRequest> {
  const fixed = saved?.fixed ?? { ref: ref ?? null, image: image ?? null, revision: revision ?? null }
  const fields = await appRequest(session, {
    ref: fixed.ref,
    needsSource: fixed.image === null && fixed.revision === null,
  })
  if (saved !== null && saved.environment !== fields.environment) {
    throw new DeployError(
      'PLAN_STALE',
      `the plan is for ${saved.app} (${saved.environment}), not for ${fields.environment}`,
      {
        hint: `Nothing was changed. Choose it with: -e ${saved.environment}.`,
      },
    )
  }
  return { ...fields, image: fixed.image, revision: fixed.revision, plan: saved?.fingerprint ?? null }
}

function refuseSeveral({ ref, image, revision, plan }: DeployOptions): void {
  if ([ref, image, revision, plan].filter((given) => given !== undefined).length < 2) return
  throw new DeployError('USAGE_INVALID', '--ref, --image, --revision and --plan exclude each other', {
    hint: 'Give one of them: each says what is deployed.',
  })
}
