import { InvalidArgumentError } from 'commander'
import type { DeployRequest } from '../../api/requests.ts'
import type { OperationBody } from '../../api/responses.ts'
import { DeployError } from '../../model/failure.ts'
import type { Describe } from '../describe.ts'
import { withServer } from '../connect.ts'
import { appRequest } from '../project/app-request.ts'
import type { Session } from '../session.ts'
import { OF_APP, share } from '../shared-options.ts'
import { runOperation } from './run-operation.ts'

interface DeployOptions {
  readonly ref?: string
  readonly image?: string
  readonly revision?: number
}

export const describeDeploy: Describe = (command, start) => {
  command
    .option('--ref <ref>', 'branch, tag or commit (default: what is checked out)')
    .option('--image <reference>', 'an image instead of a build')
    .option('--revision <number>', 'an existing revision again', revisionNumber)
  share(command, OF_APP)
  command.action((options: DeployOptions) => start(command, (session) => deploy(session, options)))
}

async function deploy(session: Session, { ref, image, revision }: DeployOptions): Promise<number> {
  if ([ref, image, revision].filter((given) => given !== undefined).length > 1) {
    throw new DeployError('USAGE_INVALID', '--ref, --image and --revision exclude each other', {
      hint: 'Give one of them: each says what is deployed.',
    })
  }
  const fields = await appRequest(session, ref ?? null)
  const body: DeployRequest = { ...fields, image: image ?? null, revision: revision ?? null, plan: null }
  return withServer(session, (connection) =>
    runOperation(session, connection, () => connection.client.post<OperationBody>('/v1/deploys', body, session.signal)),
  )
}

/** `42` or `r42`. */
export function revisionNumber(text: string): number {
  const [, digits] = /^r?([1-9]\d{0,8})$/.exec(text) ?? []
  if (digits !== undefined) return Number(digits)
  throw new InvalidArgumentError('Write a revision number, such as 42 (naru history shows them).')
}
