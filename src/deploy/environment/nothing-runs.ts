import { type Scope, scopeName } from '../../model/app.ts'
import { DeployError } from '../../model/failure.ts'
import { whereBack } from '../../plan/plan-rollback.ts'
import type { Place } from '../place.ts'
import { HISTORY } from '../rollout/new-rollout.ts'

/** Why nothing can be scaled, stopped or resumed where nothing should run, and how it is started. */
export async function nothingRuns({ memory }: Place, scope: Scope): Promise<DeployError> {
  const history = await memory.rollouts(scope, HISTORY)
  const revisions = (await memory.releases(scope)).map(({ revision }) => revision)
  const back = whereBack({ history, revisions, current: null })
  if (back === null) {
    return new DeployError('APP_NOT_FOUND', `nothing is deployed in ${scopeName(scope)}`, {
      hint: 'Deploy first: naru deploy.',
    })
  }
  return new DeployError('APP_STOPPED', `${scopeName(scope)} is stopped: nothing runs`, {
    hint: `Start r${back}, which ran last, again with: naru rollback. Or deploy: naru deploy.`,
    detail: { revision: back },
  })
}
